"""Where things lie in this checkout: the project is run from its own tree, never from site-packages."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[2]
DEPLOY: Final = PROJECT / "deploy"
# Git-ignored: data directories, logs, downloaded jars. `make clean` removes it.
LOCAL: Final = PROJECT / ".local"
KAFKA_CACHE: Final = LOCAL / "kafka"

"""The measured claims. What is measured is what is run: the compiled modules, where they are there."""

import os

from runtime import compiled

compiled.use(os.environ)

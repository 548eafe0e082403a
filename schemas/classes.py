"""The message classes, most urgent first. The class decides urgency, in-doubt policy and compliance rules."""

from __future__ import annotations

from typing import Final

OTP: Final = 0
NOTICE: Final = 1
MARKETING: Final = 2

CLASS_NAMES: Final = ("otp", "notice", "marketing")
CLASS_NUMBERS: Final = {name: number for number, name in enumerate(CLASS_NAMES)}

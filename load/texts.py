"""What generated messages say, by kind, and how many segments a text takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

_LOREM: Final = (
    "Dear customer, your parcel has left our warehouse and will be with you tomorrow between 9 and 12. If nobody is at home, "
    "our driver leaves it with a neighbour, or takes it to the shop that you chose. To change day or place answer this message, "
    "or open your account {page [delivery]}. Price to pay at the door: 12 €. Thank you for buying from us, and see you soon!"
)
TEXTS: Final[dict[str, Sequence[str]]] = {
    "short": (
        "Your code is 482913. It holds for five minutes; tell it to nobody.",
        "Your order is on its way and arrives tomorrow before noon.",
        "Spring sale: 20% off everything until Sunday. Stop? Answer STOP.",
        "You have 3 new messages [inbox]. Balance: 17.20 €",
    ),
    "long": (_LOREM, _LOREM[:250]),
    "ucs2": (
        "您的验证码是 482913，五分钟内有效，请勿告知他人。",
        "Ваш заказ отправлен и придёт завтра.",
        "طلبك في الطريق إليك",
    ),
    "ucs2-long": (
        "尊敬的客户，您的包裹已从我们的仓库发出，预计明天上午九点至十二点送达。如无人在家，快递员会将其交给邻居，"
        "或送到您选择的商店。如需更改日期或地点，请回复本短信。感谢您的惠顾，期待再次为您服务！",
    ),
    "emoji": ("Your table is booked 🎉 See you at 7 👨‍👩‍👧‍👦", "On its way 🚚💨"),
}
_GSM: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("^{}\\[~]|€\f")


def segments_of(text: str) -> int:
    """Segments in GSM 03.38 or UCS-2 with 8-bit references: what is to be expected, the carrier's alphabet may differ."""
    if all(sign in _GSM or sign in _EXTENDED for sign in text):
        septets = len(text) + sum(sign in _EXTENDED for sign in text)
        return 1 if septets <= 160 else math.ceil(septets / 153)
    units = len(text.encode("utf-16-be")) // 2
    return 1 if units <= 70 else math.ceil(units / 67)

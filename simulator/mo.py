"""Messages from handsets: an MO text as the deliver_sm bodies that carry it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from simulator.wire import Delivery, Label
from smpp.core.constants import DELIVER_SM, ESM_UDHI
from smpp.core.sm import Sm, encode_sm

if TYPE_CHECKING:
    from simulator.account import Account

# Characters that are the same in ASCII and in the GSM alphabet; any other text goes as UCS-2.
_PLAIN: Final = frozenset("\n\r !\"#%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
MOST_PARTS: Final = 255


def mo_deliveries(account: Account, source: str, destination: str, text: str) -> Iterator[Delivery]:
    """One deliver_sm for each part. Raises ValueError for what the fields can't hold."""
    coding = 0 if _PLAIN.issuperset(text) else 8
    data = text.encode("latin-1") if coding == 0 else text.encode("utf-16-be", "surrogatepass")
    parts = _parts(data, *((160, 153) if coding == 0 else (140, 134)))
    if len(parts) > MOST_PARTS:
        raise ValueError(f"the text needs {len(parts)} parts, {MOST_PARTS} are the most")
    reference = account.next_reference()
    for number, part in enumerate(parts, 1):
        header = bytes((5, 0, 3, reference, len(parts), number)) if len(parts) > 1 else b""
        esm_class = ESM_UDHI if header else 0
        sm = Sm(
            "", *_plan(source), source, *_plan(destination), destination, esm_class, 0, 0, "", "", 0, 0, coding, 0,
            header + part,
        )  # fmt: skip
        yield Delivery(encode_sm(sm), account, Label(f"mo-{reference}-{number}", destination, ""), DELIVER_SM, "mo")


def _plan(address: str) -> tuple[int, int]:
    """TON and NPI: international numbers, short codes, names."""
    if not address.lstrip("+").isdigit():
        return 5, 0
    return (1, 1) if len(address) > 6 else (3, 0)


def _parts(data: bytes, whole: int, each: int) -> list[bytes]:
    if len(data) <= whole:
        return [data]
    return [data[at : at + each] for at in range(0, len(data), each)]

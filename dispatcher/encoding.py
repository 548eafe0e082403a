"""From a sealed message to the bodies of its submit_sm, for one carrier: unseal, spell, cut, address."""

from __future__ import annotations

from dispatcher.lane import EncodeFault
from schemas.addresses import sender_address
from schemas.carriers import Carrier
from schemas.records import MtMessage
from schemas.sealing import Sealer, SealError
from smpp.core.constants import REGISTERED_FINAL
from smpp.core.sm import SubmitEncoder
from smpp.text.segments import Form, TooLong, Unencodable, encode
from smpp.validity import absolute, relative


class Encoder:
    """Callable: the bodies of a message, one a segment. Raises EncodeFault."""

    def __init__(self, carrier: Carrier, sealer: Sealer) -> None:
        self._open = sealer.open
        self._form = Form(carrier.default_alphabet, carrier.long_message)
        self._submit = SubmitEncoder("", carrier.destination.ton, carrier.destination.npi)
        self._source = (carrier.source.ton, carrier.source.npi)
        self._validity_form = carrier.validity_period

    def __call__(self, message: MtMessage, now_ms: int) -> tuple[bytes, ...]:
        try:
            content = self._open(message.id, message.sealed)
        except SealError as sealed:
            raise EncodeFault("unreadable", str(sealed), unreadable=True) from None
        try:
            # The reference comes from the id, so that a repeat shows as one to the handset and to an auditor.
            text = encode(content.text, message.mode, self._form, int.from_bytes(message.id[-2:], "big"))
        except Unencodable as foreign:
            raise EncodeFault("unencodable", str(foreign)) from None
        except TooLong as too_long:
            raise EncodeFault("message_too_long", str(too_long)) from None
        try:
            head = self._submit.head(*sender_address(content.sender, *self._source))
        except ValueError as fault:
            raise EncodeFault("invalid_sender", str(fault)) from None
        validity = self._validity(message.expires_ms, now_ms)
        to, coding, body = content.destination.encode(), text.data_coding, self._submit.body
        return tuple(
            [
                body(head, to, part.esm_class_bits, validity, REGISTERED_FINAL, coding, part.short_message, part.tlvs)
                for part in text.parts
            ]
        )

    def _validity(self, expires_ms: int, now_ms: int) -> bytes:
        """What the carrier may use of the message's time to live, which ends there as it ends here."""
        if self._validity_form == "relative":
            return relative((expires_ms - now_ms) // 1000)
        return absolute(expires_ms // 1000) if self._validity_form == "absolute" else b""

"""What holds for every receipt: no octets raise, what is rendered is read, in any order and dress."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from smpp.message_ids import receipt_keys, submit_key
from smpp.receipt import ParsedReceipt, date_text, done_ms, looks_like_receipt, parse, render
from smpp.states import MessageState

tags = st.sampled_from([0x001E, 0x0423, 0x0424, 0x0427, 0x1403])
tlvs = st.dictionaries(tags, st.binary(max_size=70), max_size=5)
keys = st.sampled_from(
    ["id", "ID", "sub", "dlvrd", "submit date", "done date", "stat", "status", "err", "text", "Text", "x"]
)
values = st.one_of(st.sampled_from(["", "DELIVRD", "000", "2411221530", "\x1c", "\0"]), st.text(max_size=20))
near_receipts = st.lists(
    st.builds("{}{}{} ".format, keys, st.sampled_from([":", " : ", "=", ""]), values), max_size=9
).map("".join)
ids = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64)
moments = st.integers(1_000_000_000, 4_000_000_000)


@given(st.one_of(st.binary(max_size=400), near_receipts.map(lambda text: text.encode("utf-8", "replace"))), tlvs)
@example(b"id:\x1c", {})
@example(b"", {0x1E: b"\xff", 0x427: b"", 0x423: b""})
def test_any_octets_give_a_receipt_or_none(octets: bytes, told: dict[int, bytes]) -> None:
    receipt = parse(octets, told)
    assert looks_like_receipt(octets) in (True, False)
    if receipt is not None:
        assert receipt.complete == (receipt.message_id != "" and receipt.state is not None)
        assert receipt.message_id or receipt.state is not None
        assert done_ms(receipt.done_date, UTC) >= 0
        assert len(receipt.message_id) <= 255


@given(near_receipts, tlvs)
def test_any_text_gives_a_receipt_or_none(text: str, told: dict[int, bytes]) -> None:
    receipt = parse(text, told)
    assert receipt is None or isinstance(receipt, ParsedReceipt)


@given(ids, st.sampled_from(MessageState), moments, st.text("0123456789abcdef", min_size=1, max_size=4), st.text())
def test_what_is_rendered_is_read(message_id: str, state: MessageState, at_s: int, error: str, text: str) -> None:
    date = date_text(at_s * 1000)
    receipt = parse(render(message_id, state, date, date, error, text), {})
    expected = ParsedReceipt(message_id, state, error if error.strip("0") else "", date, date, True)
    assert receipt == expected
    assert done_ms(date, UTC) == at_s // 60 * 60_000


@given(
    st.permutations(
        ["id:4711", "sub:001", "dlvrd:001", "submit date:2411221530", "done date:2411221531", "stat:DELIVRD", "err:034"]
    ),
    st.sampled_from([" ", "  ", "\r\n", ", ", ";"]),
    st.sampled_from([str.lower, str.upper, str.title, str]),
)
def test_order_case_and_separators_change_nothing(fields: list[str], separator: str, case: type[str]) -> None:
    receipt = parse(case(separator.join(fields)).encode(), {})
    assert receipt == ParsedReceipt("4711", MessageState.DELIVRD, "034", "2411221530", "2411221531", True)


@given(st.integers(1_357_200_000, 3_780_000_000), st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York"]))
def test_all_forms_of_a_date_mean_the_same(at_s: int, zone_name: str) -> None:
    zone = ZoneInfo(zone_name)
    local = datetime.fromtimestamp(at_s // 60 * 60, zone).replace(fold=0)
    expected = int(local.timestamp()) * 1000
    for form in ("%y%m%d%H%M", "%y%m%d%H%M%S", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%Y-%m-%d %H:%M:%S"):
        assert done_ms(local.strftime(form), zone) == expected


@given(st.text(max_size=40))
def test_any_date_gives_milliseconds_or_0(date: str) -> None:
    assert done_ms(date, UTC) >= 0


@given(st.integers(0, 1 << 128), st.integers(0, 40), st.integers(0, 40), st.booleans(), st.booleans())
def test_auto_matches_every_pair_of_bases_paddings_and_cases(
    number: int, pad_response: int, pad_receipt: int, response_hex: bool, upper: bool
) -> None:
    as_hex, as_decimal = format(number, "X" if upper else "x"), str(number)
    for response, receipt in (
        (as_hex, as_decimal) if response_hex else (as_decimal, as_hex),
        (as_hex, as_hex.swapcase()),
        (as_decimal, as_decimal),
    ):
        stored = submit_key(response.zfill(min(64, pad_response)), "auto")
        assert stored in receipt_keys(receipt.zfill(min(64, pad_receipt)), "auto")


@given(st.text(max_size=100), st.sampled_from(["verbatim", "hex", "dec", "auto"]))
def test_an_id_finds_itself_first_and_keys_are_few_and_different(text: str, form: str) -> None:
    found = receipt_keys(text, form)
    assert found[:1] == ((submit_key(text, form),) if submit_key(text, form) else ())
    assert len(set(found)) == len(found) <= 3
    assert "" not in found

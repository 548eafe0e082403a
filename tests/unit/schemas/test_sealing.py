"""Personal data: opened by who holds the key, for the message that it belongs to, and by nobody else."""

from __future__ import annotations

import base64
import os

import pytest

from schemas.sealing import (
    BlindIndex,
    Content,
    Sealer,
    SealError,
    check_of,
    masked,
    parse_keys,
    partition_of,
)

KEY, OTHER = b"k" * 32, b"o" * 32
ID, OTHER_ID = b"i" * 16, b"j" * 16
CONTENT = Content("8613800000000", "Acme", "您好, code 1234 😀")


def sealer(keys: dict[int, bytes] | None = None) -> Sealer:
    return Sealer(keys or {1: KEY}, os.urandom(8))


def test_what_is_sealed_opens() -> None:
    one = sealer()
    assert one.open(ID, one.seal(ID, *CONTENT)) == CONTENT
    assert one.open(ID, one.seal(ID, "1", "", "")) == Content("1", "", "")
    long = Content("1" * 255, "s" * 255, "x" * 100_000)
    assert one.open(ID, one.seal(ID, *long)) == long
    assert one.open_bytes(ID, one.seal_bytes(ID, b"")) == b""


def test_nothing_of_it_can_be_read() -> None:
    sealed = sealer().seal(ID, *CONTENT)
    for part in CONTENT:
        assert part.encode() not in sealed


def test_another_message_s_bytes_do_not_open() -> None:
    one = sealer()
    with pytest.raises(SealError, match="another message"):
        one.open(OTHER_ID, one.seal(ID, *CONTENT))


def test_old_keys_still_open_and_the_first_one_seals() -> None:
    old = sealer({1: KEY}).seal(ID, *CONTENT)
    rotated = sealer({2: OTHER, 1: KEY})
    assert rotated.open(ID, old) == CONTENT
    new = rotated.seal(ID, *CONTENT)
    assert (old[1], new[1]) == (1, 2)
    with pytest.raises(SealError, match="key 2, which SMPPD_SEAL_KEYS does not hold"):
        sealer({1: KEY}).open(ID, new)
    with pytest.raises(SealError, match="damaged"):
        sealer({1: OTHER}).open(ID, old)


def test_every_bit_that_is_damaged_is_noticed() -> None:
    one = sealer()
    sealed = one.seal(ID, "8613800000000", "Acme", "hi")
    for at in range(len(sealed)):
        for bit in range(8):
            damaged = bytearray(sealed)
            damaged[at] ^= 1 << bit
            with pytest.raises(SealError):
                one.open(ID, bytes(damaged))


def test_bytes_cut_short_or_longer_are_noticed() -> None:
    one = sealer()
    sealed = one.seal(ID, *CONTENT)
    for size in range(len(sealed)):
        with pytest.raises(SealError):
            one.open(ID, sealed[:size])
    with pytest.raises(SealError):
        one.open(ID, sealed + b"\0")


def test_nonces_never_repeat() -> None:
    one, two = Sealer({1: KEY}, b"\0" * 6), Sealer({1: KEY}, b"\1" * 6)
    nonces = {made.seal(ID, "1", "2", "3")[2:14] for made in (one, two) for _ in range(5000)}
    assert len(nonces) == 10_000


def test_a_sealer_needs_its_entropy() -> None:
    with pytest.raises(ValueError, match="6 bytes"):
        Sealer({1: KEY}, b"12345")


def test_keys_are_read_in_order() -> None:
    text = f"7:{base64.b64encode(KEY).decode()}, 255:{base64.b64encode(OTHER).decode()},"
    assert list(parse_keys(text).items()) == [(7, KEY), (255, OTHER)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "at least one"),
        (" , ", "at least one"),
        ("0:" + base64.b64encode(KEY).decode(), "1 to 255"),
        ("256:" + base64.b64encode(KEY).decode(), "1 to 255"),
        ("-1:" + base64.b64encode(KEY).decode(), "1 to 255"),
        ("²:" + base64.b64encode(KEY).decode(), "1 to 255"),
        ("x:" + base64.b64encode(KEY).decode(), "1 to 255"),
        (base64.b64encode(KEY).decode(), "id:base64"),
        ("1:%%%", "seal key 1 is not base64"),
        ("1:", "0 bytes, it needs 32"),
        ("1:" + base64.b64encode(KEY[:31]).decode(), "31 bytes, it needs 32"),
        (f"1:{base64.b64encode(KEY).decode()},1:{base64.b64encode(OTHER).decode()}", "1 is there twice"),
    ],
)
def test_wrong_keys_are_told_without_telling_the_key(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as told:
        parse_keys(text)
    for secret in (KEY, OTHER, KEY[:31]):
        assert base64.b64encode(secret).decode() not in str(told.value)


def test_one_number_has_one_index_and_every_account_its_own() -> None:
    index = BlindIndex(b"x" * 32)
    number = "8613800000000"
    of_all = {
        index.of(number),
        index.of_account("shop", number),
        index.of_account("bank", number),
        index.of("8613800000001"),
        index.of_account("shop", "8613800000001"),
        BlindIndex(b"y" * 32).of(number),
        BlindIndex(b"y" * 32).of_account("shop", number),
    }
    assert len(of_all) == 7
    assert {len(one) for one in of_all} == {16}
    again = BlindIndex(b"x" * 32)
    assert (again.of(number), again.of_account("shop", number)) == (index.of(number), index.of_account("shop", number))


def test_account_and_number_do_not_run_into_each_other() -> None:
    index = BlindIndex(b"x" * 32)
    assert index.of_account("shop1", "23456789") != index.of_account("shop", "123456789")


@pytest.mark.parametrize("size", [0, 15, 65])
def test_an_index_key_has_a_size(size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} bytes, it needs 16 to 64"):
        BlindIndex(b"x" * size)


def test_destinations_spread_evenly_over_partitions() -> None:
    index = BlindIndex(b"x" * 32)
    counts = [0] * 12
    for number in range(12_000):
        counts[partition_of(index.of(f"86138{number:08d}"), 12)] += 1
    assert min(counts) > 850
    assert max(counts) < 1150


def test_check_bits_are_fifteen_and_not_those_of_the_partition() -> None:
    index = BlindIndex(b"x" * 32).of("8613800000000")
    assert 0 <= check_of(index) <= 0x7FFF
    assert check_of(b"\xff" * 16) == 0x7FFF
    assert check_of(b"\xff" * 4 + b"\0" * 12) == 0
    assert partition_of(b"\0" * 4 + b"\xff" * 12, 12) == 0


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+8613800000000", "+861380****000"),
        ("8613800000000", "+861380****000"),
        ("12125550100", "+12125****100"),
        ("123456789012", "+123456****012"),
        ("1234567890", "+12****90"),
        ("12345678", "+12****78"),
        ("1234567", "****"),
        ("", "****"),
    ],
)
def test_masked_numbers_show_whose_they_might_be_and_no_more(number: str, shown: str) -> None:
    assert masked(number) == shown
    assert sum(character.isdigit() for character in shown) <= max(0, len(number.lstrip("+")) - 3)

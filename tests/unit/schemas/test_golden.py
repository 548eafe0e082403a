"""What was ever written can be read, and what is written today is on file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas import records
from schemas.codec import (
    decode_dead_letter,
    decode_intake,
    decode_mo,
    decode_mt,
    decode_outcome,
    decode_reference,
    decode_status,
    encode,
)
from schemas.records import KNOWN_TAGS, Record
from tests.unit.schemas import golden as golden_files
from tests.unit.schemas.golden import Golden, all_golden, missing, newest, plain, write
from tests.unit.schemas.samples import SAMPLES

GOLDEN = all_golden()
DECODERS: dict[str, tuple[Callable[[bytes], Any], ...]] = {
    "MtMessage": (decode_mt,),
    **dict.fromkeys(("Scheduled", "BatchAccepted", "Resolved", "Rescheduled", "ContentRead"), (decode_intake,)),
    **dict.fromkeys(
        ("SubmitOutcome", "Receipt", "InDoubt", "Duplicate", "Deferred", "Rerouted", "Unreadable"), (decode_outcome,)
    ),
    **dict.fromkeys(("Blocked", "Expired", "Canceled"), (decode_outcome, decode_intake)),
    "MoMessage": (decode_mo,),
    **dict.fromkeys(("ApiKey", "Account", "CarrierSwitch", "BatchSwitch", "Cancellation"), (decode_reference,)),
    "LaneStatus": (decode_status,),
    "DeadLetter": (decode_dead_letter,),
}
MENDING = "python -m tests.unit.schemas.golden"


def name_of(entry: Golden) -> str:
    return f"{entry.name}.v{entry.version}"


@pytest.mark.parametrize("entry", GOLDEN, ids=name_of)
def test_every_version_decodes_to_what_it_said(entry: Golden) -> None:
    for decode in DECODERS[entry.name]:
        fields = plain(decode(entry.value))
        assert {name: fields[name] for name in entry.fields} == entry.fields


@pytest.mark.parametrize("entry", GOLDEN, ids=name_of)
def test_fields_that_a_version_did_not_have_come_out_at_their_defaults(entry: Golden) -> None:
    record = DECODERS[entry.name][0](entry.value)
    defaults = {field.name: field.default for field in msgspec.structs.fields(record)}
    for name in set(defaults) - set(entry.fields):
        assert getattr(record, name) == defaults[name]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_what_is_written_today_is_the_newest_version_on_file(sample: Record) -> None:
    entry = newest(GOLDEN).get(type(sample).__name__)
    assert entry is not None, f"no golden file yet: {MENDING}"
    assert encode(sample) == entry.value, (
        f"{entry.name} is written otherwise than v{entry.version}. A new trailing field with a default: {MENDING}. "
        "Anything else would be misread by what is deployed: make it a new struct with a new tag."
    )


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_samples_leave_no_field_at_its_default(sample: Record) -> None:
    for field in msgspec.structs.fields(sample):
        assert getattr(sample, field.name) != field.default, f"{field.name}: a golden file would not notice it"


def test_every_kind_of_record_has_a_tag_a_sample_and_a_decoder() -> None:
    tags = {type(sample).__name__: sample.__struct_config__.tag for sample in SAMPLES}
    assert sorted(tags.values()) == sorted(KNOWN_TAGS)
    tagged = {
        name
        for name, value in vars(records).items()
        if isinstance(value, type) and issubclass(value, Record) and value.__struct_config__.tag is not None
    }
    assert tagged == set(tags) == set(DECODERS)


def test_new_versions_only_add_fields_at_the_end() -> None:
    """A reader of an older version skips what it does not know; so the beginning must not move."""
    for older in GOLDEN:
        now = newest(GOLDEN)[older.name]
        before, after = msgspec.msgpack.decode(older.value), msgspec.msgpack.decode(now.value)
        assert after[: len(before)] == before, (
            f"{older.name}.v{now.version} moves or changes fields of v{older.version}"
        )


def test_the_script_adds_what_is_missing_and_overwrites_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(golden_files, "FOLDER", tmp_path)
    golden_files.main()
    written = all_golden()
    assert len(written) == len(SAMPLES)
    assert {entry.version for entry in written} == {1}
    golden_files.main()
    assert all_golden() == written
    with pytest.raises(FileExistsError):
        write(SAMPLES[0], 1)
    # As if a field had been added since: the old file stays, the new one is version 2.
    path = tmp_path / "Account.v1.hex"
    shortened = encode(msgspec.msgpack.decode(bytes.fromhex(path.read_text()))[:-1]).hex()
    path.write_text(shortened)
    assert [(type(sample).__name__, version) for sample, version in missing(all_golden())] == [("Account", 2)]
    golden_files.main()
    assert path.read_text() == shortened
    assert newest(all_golden())["Account"].version == 2

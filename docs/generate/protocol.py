"""SMPP: the session's states drawn from their table, the PDUs' fields listed from theirs, and what the simulator can show."""

from __future__ import annotations

from docs.generate.markdown import code, page, table
from simulator.fault_kinds import KINDS
from simulator.presets import PRESETS
from smpp.core.pdu import FIELDS, CString, Octet
from smpp.core.session import TRANSITIONS, State, Step


def session_page() -> str:
    drawn = ["stateDiagram-v2", f"    [*] --> {State.OPEN.value}"]
    drawn += [
        f"    {start.value} --> {end.value}: {step.value}"
        for (start, step), end in TRANSITIONS.items()
        if step is not Step.FAULT
    ]
    drawn.append(f"    {State.CLOSED.value} --> [*]")
    faults = {end.value for (_, step), end in TRANSITIONS.items() if step is Step.FAULT}
    rows = [(start.value, step.value, end.value) for (start, step), end in TRANSITIONS.items()]
    return page(
        "The SMPP session",
        "smpp/core/session.py",
        f"A fault leads from every state to `{'`, `'.join(sorted(faults))}`. A pair of transmitter and receiver is two sessions.",
        "```mermaid\n" + "\n".join(drawn) + "\n```",
        table(("in state", "on", "to state"), rows),
    )


def pdus_page() -> str:
    parts = [
        "Mandatory fields of every PDU that we read or write, in order (SMPP 3.4, chapter 4). A C-octet string is at most"
        " `limit` bytes with its NUL; TLVs follow where the PDU may have them."
    ]
    for command, fields in FIELDS.items():
        title = f"## {command.name.lower()} (`0x{command:08X}`)"
        rows = [
            (
                code(field.name),
                "C-octet string" if isinstance(field, CString) else _kind(field),
                getattr(field, "limit", ""),
            )
            for field in fields
        ]
        parts.append(f"{title}\n\n" + (table(("field", "type", "limit"), rows) if rows else "No body."))
    return page("PDUs", "smpp/core/pdu.py", *parts)


def _kind(field: object) -> str:
    return "integer, 1 byte" if isinstance(field, Octet) else "length in 1 byte, then octets"


def simulator_page() -> str:
    faults = [(code(name), kind.sentence, _options(kind.Options)) for name, kind in KINDS.items()]
    presets = [(code(f"preset:{name}"), sentence) for name, (sentence, _) in PRESETS.items()]
    return page(
        "Simulator",
        "simulator/fault_kinds.py and simulator/presets.py",
        "`smpp-dispatch simulator` is an SMSC with the faults of a real one: many accounts on one SMPP port, and a control plane"
        " over HTTP. One seed, one run.",
        "```\nsmpp-dispatch simulator --port 2775 --http-port 2780 --account alpha:secret:500tps:2binds \\\n"
        "    --scenario preset:typical --journal journal.jsonl\n```",
        "## Control plane\n\nThe simulator's own `/docs` has every field, with examples.",
        table(
            ("request", "does"),
            [
                ("`GET /stats`", "all counters: binds, submits, distinct messages, repeats, throttled, `max_1s`, receipts, faults"),
                ("`GET /submits?after=&limit=`", "the last submits, when the scenario keeps them"),
                ("`GET /scenario`, `PUT /scenario`", "latency, outcomes, receipts, limits; for all accounts and for each"),
                ("`GET /faults`", "known faults, active ones, how often each fired"),
                ("`POST /faults/NAME`", '`{"carrier": "alpha", "for_s": 30, "rate": 1, "match": {"prefix": "86"}}`; `carrier` is'
                 " the system_id, all when left out"),
                ("`DELETE /faults/ID`", "ends one"),
                ("`POST /mo`", '`{"from": "…", "to": "…", "text": "…"}`: a message from a handset'),
            ],
        ),
        "## Faults\n\nAll take `carrier`, `for_s`, `rate` and `match` besides their own options.",
        table(("fault", "what it does", "its own options"), faults),
        "## Presets",
        table(("scenario", "what it is"), presets),
        "## Journal\n\n`--journal FILE` appends a line of JSON for each submit_sm (`type` submit: time, system_id, bind, source,"
        " destination, esm_class, data_coding, short_message in hex, TLVs, the status answered, the id given) and for each receipt"
        " (`type` receipt, `event` sent or acked). It is written at most 50 ms late. Whoever counts from it needs no code of ours.",
    )  # fmt: skip


def _options(model: object) -> str:
    shared = {"carrier", "for_s", "rate", "match"}
    fields = getattr(model, "model_fields", {})
    return ", ".join(code(name) for name in fields if name not in shared)

"""Sends messages as fast as asked, repeats what must be repeated, and measures what comes out.

  smpp-dispatch load --key sk_test_… --count 10000                       as fast as answers come
  smpp-dispatch load --key … --mode single --rate 500 --duration 60      500 a second, whatever comes back
  smpp-dispatch load --key … --steps 1000,2000,5000 --step-s 30 --report load.html --postgres "$SMPPD_POSTGRES_DSN"

Each request has its own Idempotency-Key, and is repeated under it after 429, 503 or a lost connection: nothing doubles.
With --rate or --steps latency counts from the planned time, so that a stall is not hidden by the requests that it held up.
A run is called sustained only when output kept up: name a --simulator, --metrics or --postgres, so that it can be told.
They count everything from the start of the run on: have no other traffic meanwhile.

Exit code 0: each message was accepted, and no rate was claimed that was not sustained; else 1.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import TYPE_CHECKING

from cli.command import Context, print_json, run_async
from runtime.errors import ConfigError

if TYPE_CHECKING:
    from load.messages import Source
    from load.options import Options
    from load.run import Result

HELP = "send messages as fast as asked, and measure what comes out"
_CLASSES = "otp=2,notice=3,marketing=5"
_TEXTS = "short=80,long=10,ucs2=8,emoji=2"


def arguments(parser: argparse.ArgumentParser) -> None:
    _add_where(parser)
    _add_how_much(parser)
    _add_what(parser)
    _add_figures(parser)


def _add_where(parser: argparse.ArgumentParser) -> None:
    where = parser.add_argument_group("where to")
    where.add_argument(
        "--url", action="append", metavar="URL", help="an api; repeatable (as SMPPD_HTTP_HOST and _PORT say)"
    )
    where.add_argument("--key", help="API key with the scope send (SMPPD_LOAD_KEY)")
    where.add_argument("--mode", choices=("single", "batch", "ndjson"), default="batch", help="kind of request (batch)")
    where.add_argument("--batch-size", type=int, default=1000, metavar="N", help="messages of a batch or piece (1000)")
    where.add_argument("--no-idempotency", action="store_true", help="no keys; then only 429 is repeated")
    where.add_argument("--timeout", type=float, default=15.0, metavar="S", help="longest wait for an answer (15)")
    where.add_argument("--retry-for", type=float, default=60.0, metavar="S", help="how long to repeat a request (60)")


def _add_how_much(parser: argparse.ArgumentParser) -> None:
    much = parser.add_argument_group("how much")
    much.add_argument("--count", type=int, metavar="N", help="messages in all (10000, unless a duration is given)")
    much.add_argument("--duration", type=float, metavar="S", help="seconds to send for")
    much.add_argument("--rate", type=float, metavar="MSG/S", help="open loop: messages a second, whatever comes back")
    much.add_argument("--ramp", type=float, default=0.0, metavar="S", help="climb to the rate over so many seconds")
    much.add_argument("--steps", metavar="R,R,…", help="open loop: one rate after the other")
    much.add_argument("--step-s", type=float, default=30.0, metavar="S", help="seconds of a step (30)")
    much.add_argument(
        "--outstanding", type=int, metavar="N", help="closed loop to the end: most messages accepted and not over"
    )
    much.add_argument(
        "--concurrency", type=int, metavar="N", help="connections: requests under way at once (8; 64 with single)"
    )


def _add_what(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what")
    what.add_argument("--classes", default=_CLASSES, metavar="MIX", help=f"classes by weight ({_CLASSES})")
    what.add_argument("--texts", default=_TEXTS, metavar="MIX", help=f"kinds of text by weight ({_TEXTS}; ucs2-long)")
    what.add_argument("--texts-file", metavar="FILE", help="your own texts, one a line, instead of --texts")
    what.add_argument(
        "--to-prefix", default="86138", metavar="MIX", help="destinations by weight: 86138=3,49171 (86138)"
    )
    what.add_argument("--sender", default="Acme", help="who it is from (Acme)")
    what.add_argument("--seed", type=int, default=1, help="order of classes and texts (1)")
    what.add_argument("--input", metavar="FILE", help="your own messages: NDJSON with to, text, sender, …")


def _add_figures(parser: argparse.ArgumentParser) -> None:
    figures = parser.add_argument_group("what to tell")
    figures.add_argument("--book", metavar="FILE", help="append each id that was given, as JSON lines: for auditors")
    figures.add_argument("--report", metavar="FILE", help="write an HTML report with plots")
    figures.add_argument("--json", action="store_true", help="print the result as JSON; progress goes to stderr")
    figures.add_argument("--simulator", action="append", default=[], metavar="URL", help="control plane; repeatable")
    figures.add_argument("--metrics", action="append", default=[], metavar="URL", help="a role's /metrics; repeatable")
    figures.add_argument("--postgres", metavar="DSN", help="count rows of the auditors' view")
    figures.add_argument("--wait-final", type=float, metavar="S", help="wait up to S seconds until all are final")


def run(args: argparse.Namespace, context: Context) -> int:
    """Raises ConfigError, UnavailableError."""
    settings = context.settings
    args.url = args.url or [f"http://{settings.http_host}:{settings.http_port}"]
    options = _options(args, args.key or settings.load_key)
    if args.wait_final and options.mode == "single" and not (args.postgres or args.metrics):
        raise ConfigError("--wait-final has nobody to ask", "give --postgres DSN or the recorder's --metrics URL")
    if options.outstanding and not (args.postgres or args.metrics or args.simulator):
        raise ConfigError(
            "--outstanding has nobody to ask", "give the recorder's --metrics URL, --postgres DSN or --simulator URL"
        )
    return run_async(_main(args, options, _source(args)))


def _options(args: argparse.Namespace, key: str) -> Options:
    from load.options import Options

    if not key:
        raise ConfigError("no API key", "give --key or SMPPD_LOAD_KEY; `smpp-dispatch keys create` makes one")
    for name in (
        "batch_size",
        "count",
        "concurrency",
        "duration",
        "rate",
        "step_s",
        "timeout",
        "retry_for",
        "outstanding",
    ):
        value = getattr(args, name)
        if value is not None and value <= 0:
            raise ConfigError(f"--{name.replace('_', '-')} {value:g}", "write a number above 0")
    if args.rate and args.steps:
        raise ConfigError("--rate and --steps together", "give one of them")
    if args.ramp and not (args.rate or args.steps):
        raise ConfigError("--ramp without a rate", "give --rate or --steps: a closed loop has none to climb to")
    bounded = args.duration or args.steps or args.input
    single = args.mode == "single"
    opened = 256 if args.rate or args.steps else 64
    return Options(
        urls=tuple(args.url),
        key=key,
        mode=args.mode,
        batch_size=args.batch_size,
        count=args.count or (None if bounded else 10_000),
        duration_s=args.duration,
        rate=args.rate,
        steps=_steps(args.steps) if args.steps else (),
        step_s=args.step_s,
        ramp_s=args.ramp,
        connections=args.concurrency or (opened if single else 8),
        idempotency=not args.no_idempotency,
        timeout_s=args.timeout,
        retry_for_s=args.retry_for,
        outstanding=args.outstanding,
    )


def _steps(text: str) -> tuple[float, ...]:
    try:
        steps = tuple(float(part) for part in text.split(","))
    except ValueError:
        steps = ()
    if not steps or min(steps) <= 0:
        raise ConfigError(f"--steps {text} is wrong", "write rates above 0, like 1000,2000,5000")
    return steps


def _source(args: argparse.Namespace) -> Source:
    from load.messages import FileMessages, Mix, parse_weights, read_texts

    if args.input:
        return FileMessages(args.input)
    written = read_texts(args.texts_file) if args.texts_file else None
    texts = {"file": 1} if written else parse_weights("--texts", args.texts)
    classes = parse_weights("--classes", args.classes)
    return Mix(classes, texts, parse_weights("--to-prefix", args.to_prefix), args.sender, args.seed, written)


async def _main(args: argparse.Namespace, options: Options, source: Source) -> int:
    import asyncio

    from rich.console import Console

    from load.book import Book
    from load.probes import Watch
    from load.run import Run
    from load.screen import Screen

    watch = Watch(args.simulator, args.metrics, args.postgres)
    book = Book(args.book) if args.book else None
    screen = Screen(Console(stderr=args.json))
    try:
        one = Run(options, source, watch, book, screen.show)
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def interrupted() -> None:
            # The first one lets what is under way be finished, the second does not.
            one.stop()
            loop.add_signal_handler(signal.SIGINT, task.cancel)

        loop.add_signal_handler(signal.SIGINT, interrupted)
        with screen:
            result = await one.go(args.wait_final)
    except asyncio.CancelledError:
        return 128 + signal.SIGINT
    finally:
        await watch.close()
        if book is not None:
            book.close()
    for kind, fault in watch.faults.items():
        print(f"smpp-dispatch load: {kind} did not answer in the end ({fault})", file=sys.stderr)
    return _tell(args, result)


def _tell(args: argparse.Namespace, result: Result) -> int:
    from load.report import write_report
    from load.screen import told
    from load.summary import summary

    if args.report:
        write_report(args.report, result)
    figures = summary(result)
    if args.json:
        print_json(figures)
    else:
        print(told(result))
        if args.report:
            print(f"report     {os.path.abspath(args.report)}")
    return 0 if figures["ok"] else 1

"""`journeys send`: a file of events into `journeys.events`, in its order.

Law: a user's events go where every Kafka client would put them; a line that is no event goes too,
so that the engine's outcomes tell it.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from agents.errors import UserError

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

_STDIN = Path("-")
_GIVE_UP_SECONDS = 60.0  # that an event may take, in all
_EVERY = 500  # lines between two looks at the clock and the progress


def send(
    events: Annotated[
        Path | None,
        typer.Argument(
            metavar="[EVENTS]",
            help="One JSON event a line; .gz is unpacked, - reads standard input.",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0.001, metavar="N", help="At most N events a second.", show_default=False),
    ] = None,
    advance: Annotated[
        str | None,
        typer.Option(
            metavar="TIME|end",
            help="After the events, move the clock of workers that run on the stream clock on to "
            "this time (ISO 8601), or until nothing waits.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Send events from a file.

    Exit code 1 when not all of them were delivered.
    """
    from agents.kafka.broker import partitions_of
    from agents.kafka.topics import EVENTS
    from agents.settings import Settings

    clock = None if advance is None else _clock_record(advance)
    if events is None and clock is None:
        raise typer.BadParameter("give a file of events, or --advance", param_hint="EVENTS")
    broker = Settings.from_env().broker
    partitions = partitions_of(broker, EVENTS)
    sender = _Sender(broker, rate)
    if events is not None:
        with _lines(events) as lines:
            sender.send(lines)
        sender.finish()
    if clock is not None and not sender.failed:
        for partition in range(partitions):
            sender.advance(partition, clock)
        sender.finish()
    sender.tell(events is not None, None if clock is None else advance, as_json)
    if sender.failed:
        raise typer.Exit(1)


class _Sender:
    """Sends records and keeps count of what becomes of them."""

    def __init__(self, broker: str, rate: float | None) -> None:
        from confluent_kafka import Producer

        from agents.kafka.client import base_config

        settings = {
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2",
            "linger.ms": 20,
            "compression.type": "lz4",
            "message.max.bytes": 10 * 1024 * 1024,  # what the topic takes
            "log_level": 0,
        }
        patience = {"message.timeout.ms": int(_GIVE_UP_SECONDS * 1_000)}  # JOURNEYS_KAFKA_ wins
        self._producer = Producer(patience | base_config(broker) | settings)
        self._rate = rate
        self._began = time.monotonic()
        self._lost: str | None = None
        self.seconds = 0.0
        self.delivered = 0
        self.failed = 0
        self.without_user: list[int] = []
        self.too_large: list[int] = []

    def send(self, lines: Iterable[tuple[int, bytes]]) -> None:
        """Sends the lines; stops when the broker takes no more, so that no gap comes about."""
        from confluent_kafka import KafkaException

        from agents.kafka.topics import EVENTS

        user_of = _user_of()
        for count, (number, line) in enumerate(lines):
            key = user_of(line)
            if key is None:
                self.without_user.append(number)
            while self._lost is None:
                try:
                    self._producer.produce(EVENTS, line, key, on_delivery=self._told)
                    break
                except BufferError:
                    self._producer.poll(0.1)
                except KafkaException:
                    self.too_large.append(number)
                    self.failed += 1
                    break
            if self._lost is not None:
                return
            if self._rate is not None:
                self._keep_pace(count + 1)
            elif count % _EVERY == 0:
                self._producer.poll(0)

    def advance(self, partition: int, clock: bytes) -> None:
        """Sends a clock record to one partition."""
        from agents.kafka.topics import EVENTS

        headers = [("journeys-record", b"clock")]
        self._producer.produce(
            EVENTS, clock, partition=partition, headers=headers, on_delivery=self._told_clock
        )

    def finish(self) -> None:
        """Waits until it is known what became of everything."""
        self._producer.flush()
        self.seconds = time.monotonic() - self._began

    def tell(self, events: bool, advance: str | None, as_json: bool) -> None:
        """The closing line, and what went wrong."""
        rate = self.delivered / self.seconds if self.seconds else 0.0
        if as_json:
            counts = {
                "sent": self.delivered,
                "failed": self.failed,
                "without_user": len(self.without_user),
                "seconds": round(self.seconds, 3),
                "events_per_second": round(rate),
            }
            typer.echo(json.dumps(counts))
        else:
            if events:
                sent = "1 event" if self.delivered == 1 else f"{self.delivered:,} events"
                typer.echo(f"{sent} sent in {self.seconds:.1f} s ({rate:,.0f} events/s)")
            if advance is not None and not self.failed:
                typer.echo(f"clock moved on to {advance}")
        if self.without_user:
            typer.echo(
                f"{_lines_told(self.without_user)} not JSON with a userId or anonymousId: sent "
                "without a key; the engine answers with event.rejected",
                err=True,
            )
        if self.too_large:
            typer.echo(f"{_lines_told(self.too_large)} too large for {_max()}: not sent", err=True)
        if self.failed:
            reason = f": {self._lost}" if self._lost else ""
            typer.echo(f"journeys: {self.failed:,} records were not delivered{reason}", err=True)

    def _told(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.delivered += 1
        else:
            self.failed += 1
            self._lost = self._lost or error.str()

    def _told_clock(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failed += 1
            self._lost = self._lost or error.str()

    def _keep_pace(self, count: int) -> None:
        assert self._rate is not None
        due = self._began + count / self._rate
        while (ahead := due - time.monotonic()) > 0:
            self._producer.poll(min(ahead, 0.1))


def _user_of() -> Any:
    """A function from a line to the key of its user, or to None where the engine will see none."""
    import msgspec

    class Who(msgspec.Struct):
        userId: str | None = None
        anonymousId: str | None = None

    decode = msgspec.json.Decoder(Who).decode

    def user_of(line: bytes) -> bytes | None:
        try:
            who = decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        user = who.userId if who.userId is not None else who.anonymousId
        return user.encode() if user else None

    return user_of


def _clock_record(advance: str) -> bytes:
    from journeys.time import parse_time

    if advance != "end":
        try:
            parse_time(advance)
        except ValueError as error:
            raise typer.BadParameter(f"{error}, nor `end`", param_hint="--advance") from None
    return json.dumps({"time": advance}).encode()


@contextmanager
def _lines(path: Path) -> Iterator[Iterator[tuple[int, bytes]]]:
    """The lines that are not empty with their numbers; on a terminal, how far they are read."""
    from rich import progress
    from rich.console import Console

    with ExitStack() as stack:
        raw, size = _open(path, stack)
        lines: Iterable[bytes] = raw
        if path.suffix == ".gz":
            lines = stack.enter_context(gzip.open(raw))
        columns = (
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.TaskProgressColumn(),
            progress.TextColumn("{task.fields[events]:,} events, {task.fields[rate]:,.0f}/s"),
        )
        shown = stack.enter_context(
            progress.Progress(
                *columns,
                console=Console(stderr=True),
                disable=not sys.stderr.isatty(),
                transient=True,
            )
        )
        task = shown.add_task(path.name, total=size, events=0, rate=0.0)
        began = time.monotonic()

        def read() -> Iterator[tuple[int, bytes]]:
            told = began
            for number, line in enumerate(lines, 1):
                if number % 100 == 0 and (now := time.monotonic()) - told > 0.1:
                    told = now
                    at = None if size is None else raw.tell()
                    shown.update(task, completed=at, events=number, rate=number / (now - began))
                if text := line.strip():
                    yield number, text

        try:
            yield read()
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise UserError(
                f"{path} is not a whole gzip file: {error}. What it gave is sent."
            ) from None


def _open(path: Path, stack: ExitStack) -> tuple[IO[bytes], int | None]:
    """The file and its size in bytes, where it has one."""
    if path == _STDIN:
        return sys.stdin.buffer, None
    try:
        raw = stack.enter_context(path.open("rb"))
        return raw, (path.stat().st_size if path.is_file() else None)
    except OSError as error:
        raise UserError(f"{path} can't be read: {(error.strerror or '').lower()}") from None


def _lines_told(numbers: list[int]) -> str:
    first = ", ".join(map(str, numbers[:3]))
    if len(numbers) == 1:
        return f"Line {first} is"
    more = ", ..." if len(numbers) > 3 else ""
    return f"{len(numbers):,} lines ({first}{more}) are"


def _max() -> str:
    return "the topic (10 MB)"

"""`journeys dead`: lists dead letters, replays and discards them.

Law: a letter is replayed once, since its mark is written in the same transaction; only `--again`
replays it again.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.errors import UserError
from agents.terminal.text import echo, echo_json, echo_lines

if TYPE_CHECKING:
    from agents.client.dead_letters import Filter, Letter, Letters, Record, Status
    from agents.client.dead_topic import Writer

app = typer.Typer(help="List dead letters, replay and discard them.", no_args_is_help=True)

OVERTAKEN = 3
_MOST, _MOST_BYTES = 500, 8 << 20  # letters per transaction, and bytes of their values

Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]...", help="Ids, or their beginnings.", show_default=False),
]
Role = Annotated[
    str | None, typer.Option(metavar="ROLE", help="Of this role: evaluate or deliver.")
]
Reason = Annotated[str | None, typer.Option(metavar="REASON", help="With this reason.")]
Destination = Annotated[
    str | None, typer.Option(metavar="NAME", help="Actions for this destination.")
]
Journey = Annotated[str | None, typer.Option(metavar="NAME", help="Actions of this journey.")]
User = Annotated[str | None, typer.Option(metavar="ID", help="Of this user.")]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Set aside since this time (ISO 8601, or a duration ago: 2h)."
    ),
]
Until = Annotated[
    str | None, typer.Option(metavar="TIME", help="Set aside before this time (as for --since).")
]
Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="At most N, the oldest first.")]
All = Annotated[bool, typer.Option("--all", help="All open dead letters.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show which letters it would change.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def show_list(
    role: Role = None,
    reason: Reason = None,
    destination: Destination = None,
    journey: Journey = None,
    user: User = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only the newest N.")
    ] = None,
    closed: Annotated[
        bool, typer.Option("--all", help="Also those that were replayed or discarded.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines also on a terminal.")] = False,
) -> None:
    """List dead letters that are open, the newest last.

    If the output is not a terminal, each is one line of JSON.
    """
    from agents.client.dead_topic import read
    from agents.settings import Settings
    from agents.terminal.records import print_letters

    wanted = _filter(role, reason, destination, journey, user, since, until)
    found = read(Settings.from_env().broker).fitting(wanted, closed=closed)
    found = found[-limit:] if limit else found
    if as_json or not sys.stdout.isatty():
        for letter in found:
            echo_json(letter.as_json())
    elif found:
        print_letters(found)
    else:
        echo("no dead letters")


@app.command()
def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="An id, or its beginning.")],
    as_json: AsJson = False,
) -> None:
    """Show one dead letter in full.

    Exit code 1 when there is none.
    """
    from agents.client.dead_topic import read
    from agents.settings import Settings

    letter = read(Settings.from_env().broker).by_id(id)
    shown = letter.as_json()
    value = shown.pop("value")
    detail = shown.pop("detail")
    try:
        value = json.loads(letter.value)
        shown.pop("value_encoding", None)
    except (ValueError, RecursionError):
        pass
    if as_json:
        echo_json({**shown, "detail": detail, "value": value})
        return
    cause = shown.pop("cause")
    shown["cause"] = f"{cause['topic']}-{cause['partition']}@{cause['offset']}"
    width = max(map(len, shown))
    for name, one in shown.items():
        if one is not None:
            echo(f"{name:<{width}}  {one if isinstance(one, str) else json.dumps(one)}")
    echo("")
    echo_lines(detail.rstrip("\n"))
    echo("")
    if isinstance(value, str):
        echo_lines(value)
    else:
        echo_json(value, indent=2)


@app.command()
def replay(
    ids: Ids = None,
    role: Role = None,
    reason: Reason = None,
    destination: Destination = None,
    journey: Journey = None,
    user: User = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    everything: All = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also IDs that were replayed or discarded before.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Write dead letters (actions and events) back to the topics they came from.

    Exit code 0: done; 1: nothing was done; 3: another `journeys dead` has started meanwhile, and
    only what this one has printed is done.
    """
    wanted = _filter(role, reason, destination, journey, user, since, until)
    change = _Change("replayed", ids or [], wanted, limit, everything, again)
    change.make(dry_run, yes, as_json)


@app.command()
def discard(
    ids: Ids = None,
    role: Role = None,
    reason: Reason = None,
    destination: Destination = None,
    journey: Journey = None,
    user: User = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    everything: All = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Mark dead letters as dealt with; `list` no longer shows them.

    The exit codes are those of `replay`.
    """
    wanted = _filter(role, reason, destination, journey, user, since, until)
    change = _Change("discarded", ids or [], wanted, limit, everything, False)
    change.make(dry_run, yes, as_json)


class _Change:
    """A command that replays or discards letters."""

    def __init__(
        self,
        status: Status,
        ids: list[str],
        wanted: Filter,
        limit: int | None,
        everything: bool,
        again: bool,
    ) -> None:
        """Raises typer.BadParameter if the options don't select letters."""
        from agents.client.dead_letters import Filter

        filtered = wanted != Filter()
        if not (ids or filtered or everything or limit):
            raise typer.BadParameter("give IDs, a filter, or --all", param_hint="ID")
        if ids and (filtered or everything or limit):
            raise typer.BadParameter("give either IDs or a filter", param_hint="ID")
        if again and not ids:
            raise typer.BadParameter("name the IDs", param_hint="--again")
        self._status = status
        self._ids = ids
        self._wanted = wanted
        self._limit = limit
        self._again = again

    def make(self, dry_run: bool, yes: bool, as_json: bool) -> None:
        """Chooses the letters, asks, writes, and prints what was done."""
        from agents.client.dead_topic import Overtaken, Writer, read
        from agents.kafka.broker import partitions_of
        from agents.kafka.topics import DEAD
        from agents.settings import Settings

        broker = Settings.from_env().broker
        partitions_of(broker, DEAD)  # without a broker, fails sooner than a transaction
        writer = None if dry_run else Writer(broker)
        chosen = self._choose(read(broker, wait_for_transactions=not dry_run))
        if self._status == "replayed":
            _check_targets(broker, chosen)
        if writer is None:
            self._print(chosen, as_json, dry_run=True)
            return
        if len(chosen) > 1 and not yes and sys.stdin.isatty():
            self._ask(chosen)
        done: list[Letter] = []
        try:
            self._write(writer, chosen, done)
        except Overtaken as error:
            self._print(done, as_json)
            echo(f"journeys: {error}", err=True)
            raise typer.Exit(OVERTAKEN) from None
        except UserError:
            if done:
                self._print(done, as_json)
            raise
        self._print(done, as_json)

    def _choose(self, letters: Letters) -> list[Letter]:
        """The letters in the order of their logs, so that the order of a user's actions is kept.

        Raises:
            UserError: one does not exist, or is not open.
        """
        if self._ids:
            named = {letter.id: letter for letter in map(letters.by_id, self._ids)}
            chosen = list(named.values())
            for letter in chosen:
                if letter.status != "open" and not self._again:
                    hint = ". --again replays it again" if self._status == "replayed" else ""
                    raise UserError(f"{letter.id} was {letter.status} before{hint}.")
        else:
            chosen = letters.fitting(self._wanted)[: self._limit]
        return sorted(chosen, key=_place)

    def _ask(self, chosen: list[Letter]) -> None:
        for (role, reason, name), count in _counts(chosen).most_common():
            to = f" of {name}" if name else ""
            echo(f"{count:>7,}  {role} {reason}{to}", err=True)
        verb = "Replay" if self._status == "replayed" else "Discard"
        if not typer.confirm(f"{verb} these {len(chosen):,} dead letters?", err=True):
            echo("nothing was done", err=True)
            raise typer.Exit(1)

    def _write(self, writer: Writer, chosen: list[Letter], done: list[Letter]) -> None:
        from rich.progress import Progress

        from agents.client.dead_letters import mark_of, original, signed
        from agents.kafka.installation import signatures as signatures_of
        from agents.settings import Settings

        signatures = signatures_of(Settings.from_env())
        with Progress(transient=True, disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task(self._status, total=len(chosen))
            while len(done) < len(chosen):
                part = _next_part(chosen[len(done) :])
                now = time.time_ns() // 1_000_000
                records: list[Record] = []
                if self._status == "replayed":
                    records += [signed(original(letter), signatures, now) for letter in part]
                records += [mark_of(letter, self._status, now) for letter in part]
                writer.write(records)
                done += part
                progress.update(task, completed=len(done))

    def _print(self, letters: list[Letter], as_json: bool, dry_run: bool = False) -> None:
        from agents.terminal.records import print_letters

        if as_json:
            ids = [letter.id for letter in letters]
            done: dict[str, Any] = {self._status: len(ids), "dry_run": dry_run, "dead_ids": ids}
            echo_json(done)
            return
        if dry_run and letters:
            print_letters(letters)
        count = "1 dead letter" if len(letters) == 1 else f"{len(letters):,} dead letters"
        echo(f"{count} {'would be ' if dry_run else ''}{self._status}")


def _check_targets(broker: str, letters: list[Letter]) -> None:
    """Raises UserError if the topic of a letter, or its partition, no longer exists."""
    from agents.client.dead_letters import original
    from agents.kafka.broker import reach

    found = reach(broker)
    for letter in letters:
        record = original(letter)
        if record.partition >= found.get(record.topic, 0):
            raise UserError(
                f"{letter.id} can't be replayed: {record.topic} has no partition "
                f"{record.partition} any more. Nothing was done."
            )


def _next_part(letters: list[Letter]) -> list[Letter]:
    """The first letters, as many as fit into one transaction."""
    size = 0
    for count, letter in enumerate(letters[:_MOST]):
        size += len(letter.record.value)
        if count and size > _MOST_BYTES:
            return letters[:count]
    return letters[:_MOST]


def _place(letter: Letter) -> tuple[str, int, int]:
    cause = letter.record.cause
    return cause.topic or "", cause.partition or 0, cause.offset or 0


def _counts(letters: list[Letter]) -> Counter[tuple[str, str, str | None]]:
    return Counter((one.record.role, one.record.reason, one.destination) for one in letters)


def _filter(
    role: str | None,
    reason: str | None,
    destination: str | None,
    journey: str | None,
    user: str | None,
    since: str | None,
    until: str | None,
) -> Filter:
    from agents.client.dead_letters import Filter

    times = _time(since, "--since"), _time(until, "--until")
    return Filter(role, reason, destination, journey, user, *times)


def _time(text: str | None, option: str) -> int | None:
    """The time of an option, ms: ISO 8601, or a duration before now."""
    from journeys.time import is_time, parse_duration, parse_time

    if text is None:
        return None
    if is_time(text):
        return parse_time(text)
    try:
        return time.time_ns() // 1_000_000 - parse_duration(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither an ISO 8601 date and time with a zone nor a duration such as 2h",
            param_hint=option,
        ) from None

"""`journeys simulate`: one user's events through journeys, with the reason for every decision.

Law: it shows what workers would do. No state is kept, and nothing is called without `--send`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.errors import UserError
from agents.terminal.options import MaxAhead, TrustTimes
from agents.terminal.text import echo, echo_json

if TYPE_CHECKING:
    from agents.client.test_delivery import TestDelivery
    from journeys.catalog.catalog import Catalog
    from journeys.catalog.running import RunningCatalog
    from journeys.simulation.canned_responses import Canned
    from journeys.simulation.scenario import Scenario, TimelineEntry

_HOW = 'One JSON event a line, such as {"at": "+10m", "event": "purchase_completed"}; Ctrl-D ends.'


def simulate(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="The documents, as for `apply`.")
    ],
    events: Annotated[
        Path,
        typer.Option(
            metavar="EVENTS",
            help="One JSON event a line, or a table (.csv, .parquet); gzip and zstd are unpacked, "
            '- reads what is typed. A time may be an offset from the start: "at": "+10m".',
        ),
    ],
    user: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="The user to follow. Default: the first event's user.",
            show_default=False,
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When it begins. Default: at the first event's time, or now where it has none.",
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="How far time continues after the events. Default: until nothing waits.",
            show_default=False,
        ),
    ] = None,
    responses: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="YAML with canned responses to the requests of triggers.",
            show_default=False,
        ),
    ] = None,
    send: Annotated[
        str | None,
        typer.Option(
            metavar="NODE",
            help="Afterwards send what this node (or JOURNEY/NODE) sent last to its destination: "
            "one request, once, with the header `Journeys-Test: true`.",
            show_default=False,
        ),
    ] = None,
    max_ahead: MaxAhead = "1h",
    trust_times: TrustTimes = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Follow one user through journeys on a virtual clock, with every decision and payload.

    Drafts run as if they were running. Exit code 1 when a document or an event is wrong, or when
    the request of --send was not delivered.
    """
    from agents.terminal import json_lines
    from agents.terminal.documents import canned_responses, catalog_of_files
    from journeys.catalog.running import RunningCatalog
    from journeys.views.timeline import describe, describe_waits

    ahead = json_lines.max_ahead(max_ahead, trust_times)
    documents = catalog_of_files(files, drafts=True)
    if send is not None:
        from agents.client.test_delivery import NothingToSend, place_of

        try:
            send = place_of(send, documents)
        except NothingToSend as error:
            raise typer.BadParameter(str(error), param_hint="--send") from None
    catalog = RunningCatalog(documents)
    follow = _Follow(catalog, str(events), user, start, until, canned_responses(responses))
    story: list[TimelineEntry] = []
    if events == json_lines.STDIN and sys.stdin.isatty():
        echo(_HOW, err=True)
    with json_lines.open_history(events, ahead) as lines:
        for some in follow.story(lines):
            story += some
            if not as_json:
                for line in describe(some, catalog):
                    echo(line)
    if follow.left_out:
        others = "event of another user" if follow.left_out == 1 else "events of other users"
        echo(f"{follow.left_out} {others} left out; --user selects the user to follow", err=True)
    scenario = follow.scenario
    if scenario is None:
        raise UserError(f"{events} has no event of {user}" if user else f"{events} has no event")
    if not as_json:
        for line in describe_waits(scenario.waiting, catalog):
            echo(line)
        if scenario.waiting and until is None and any(one.wait.due for one in scenario.waiting):
            echo("timers continue to fire like this; --until sets how far time continues", err=True)
    test = None if send is None else _send(send, story, documents, as_json)
    if as_json:
        from agents.terminal.test_event import as_json as sent_as_json

        sent = {} if test is None else {"sent": sent_as_json(test)}
        echo_json(_as_json(scenario, story) | sent)
    if test is not None and not test.delivered:
        raise typer.Exit(1)


def _send(node: str, story: list[TimelineEntry], documents: Catalog, quietly: bool) -> TestDelivery:
    """Sends the node's last action, and prints it unless `quietly`."""
    from agents.client.test_delivery import NothingToSend, TestDelivery, last_action
    from agents.terminal.test_event import result_lines, sent_lines

    try:
        action = last_action(node, story)
    except NothingToSend as error:
        raise typer.BadParameter(str(error), param_hint="--send") from None
    test = TestDelivery(action, documents.destinations[action.destination])
    for line in () if quietly else sent_lines(test):
        echo(line)
    test.send()
    for line in () if quietly else result_lines(test):
        echo(line)
    return test


class _Follow:
    """Finds one user's events among the lines and applies them."""

    def __init__(
        self,
        catalog: RunningCatalog,
        name: str,
        user: str | None,
        start: str | None,
        until: str | None,
        canned: list[Canned],
    ) -> None:
        self.scenario: Scenario | None = None
        self.left_out = 0
        self._catalog = catalog
        self._name = name
        self._user = user
        self._canned = canned
        self._start = _moment(start, 0, "--start")
        self._until = until
        _moment(until, 0, "--until")

    def story(self, lines: Iterable[bytes]) -> Iterator[list[TimelineEntry]]:
        """Yields what happens, line by line, then what the advance of time causes."""
        from agents.terminal.json_lines import json_object, numbered
        from journeys.records.admission import admit
        from journeys.records.event import Rejection

        for number, line in numbered(lines):
            fields = json_object(line, self._name, number)
            event = admit(line, "")
            known = event.user_id or self._user
            if isinstance(event, Rejection) and event.user_id is None and _names_user(fields):
                raise UserError(f"{self._name}:{number}: {event.detail}")
            if known is None:
                known = self._user = "user-1"
            self._user = self._user or known
            if known != self._user:
                self.left_out += 1
                continue
            try:
                yield self._scenario(fields).event(fields)
            except (ValueError, OverflowError) as error:
                raise UserError(f"{self._name}:{number}: {error}") from None
        if self.scenario is not None:
            until = _moment(self._until, self.scenario.start, "--until")
            for one in self.scenario.finish(until):
                yield [one]

    def _scenario(self, fields: dict[str, Any]) -> Scenario:
        from journeys.simulation.scenario import Scenario, parse_moment
        from journeys.time import ms_of_number

        if self.scenario is None:
            assert self._user is not None
            start = self._start
            given = fields.get("at", fields.get("timestamp"))
            if start is None and isinstance(given, str) and not given.startswith("+"):
                start = parse_moment(given, 0)
            elif start is None and isinstance(given, int | float) and given is not True:
                start = ms_of_number(given)
            now = time.time_ns() // 1_000_000
            start = now if start is None else start
            self.scenario = Scenario(self._catalog, self._user, start, self._canned)
        return self.scenario


def _names_user(fields: dict[str, Any]) -> bool:
    return any(fields.get(name) not in (None, "") for name in ("userId", "anonymousId"))


def _moment(text: str | None, start: int, option: str) -> int | None:
    from journeys.simulation.scenario import parse_moment

    if text is None:
        return None
    try:
        return parse_moment(text, start)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _as_json(scenario: Scenario, story: list[TimelineEntry]) -> dict[str, Any]:
    import msgspec

    from journeys.time import format_time

    def due(ms: int | None) -> str | None:
        return None if ms is None else format_time(ms)

    return {
        "user": scenario.user,
        "steps": [
            {
                "at": format_time(one.at),
                "event": one.event,
                **msgspec.to_builtins(
                    {"outcomes": one.outcomes, "actions": one.actions, "dead": one.dead}
                ),
            }
            for one in story
        ],
        "waiting": [
            {
                "journey": one.journey,
                "key": one.key,
                "node": one.node,
                "due": due(one.wait.due),
                "branch": None if one.branch is None else one.branch.name,
            }
            for one in scenario.waiting
        ],
        "profile": scenario.record.traits,
    }

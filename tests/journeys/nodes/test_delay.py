"""delay: for a while, until a time, until a time of day where the user is; under both clocks."""

from __future__ import annotations

import pytest

from agents.kinds import KINDS
from journeys.checks.check import check
from journeys.documents.journey import Journey
from tests.journeys.builders import DAY, HOUR, MINUTE, START, World, iso, journey
from tests.journeys.reported import told

# START is Sunday, 2026-01-18 at 12:00 UTC.
UNTIL = """
pause: {{type: delay, {fields}}}
done: {{type: exit, reason: done}}
failed: {{type: exit, reason: failed}}
"""


def until(fields: str, *, timezone: str | None = None) -> Journey:
    return journey(UNTIL.format(fields=fields)).model_copy(update={"timezone": timezone})


def due(world: World) -> str:
    """When the only delay so far is due."""
    (started,) = world.told("wait.started")
    assert started.detail is not None
    return str(started.detail["due"])


# until


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("event.properties.t", iso(3 * HOUR)),
        ("event.properties.t", "2026-01-18T16:00:00+01:00"),
        ("timestamp(event.properties.t)", iso(3 * HOUR)),
        ("now + duration(event.properties.t)", "3h"),
        ("entry.timestamp + duration(event.properties.t)", "3h"),
    ],
)
def test_until_is_a_timestamp_or_iso_text(expression: str, value: object) -> None:
    world = World(until(f'until: "{expression}"'))
    world.event(properties={"t": value})
    assert due(world) == iso(3 * HOUR)
    world.clock("end")
    assert world.story("journey.exited") == ["journey.exited done +10800s"]


@pytest.mark.parametrize(("offset", "hours"), [("1h", 4), ("-1h", 2), ("P1D", 27), ("-0s", 3)])
def test_an_offset_is_after_or_before_it(offset: str, hours: int) -> None:
    world = World(until(f"until: event.properties.t, offset: {offset}"))
    world.event(properties={"t": iso(3 * HOUR)})
    assert due(world) == iso(hours * HOUR)


@pytest.mark.parametrize("after", [-DAY, 0])
def test_a_time_that_is_past_or_now_does_not_wait(after: int) -> None:
    world = World(until("until: event.properties.t"))
    world.event(properties={"t": iso(after)})
    assert world.told("wait.started") == []
    assert world.story("journey.exited") == ["journey.exited done"]


def test_an_offset_can_make_it_over() -> None:
    world = World(until("until: event.properties.t, offset: -2h"))
    world.event(properties={"t": iso(HOUR)})
    assert world.story("journey.exited") == ["journey.exited done"]


def test_a_way_round_whose_time_is_over_ends_with_an_error() -> None:
    world = World(journey("again: {type: delay, until: entry.timestamp, next: again}"))
    world.event()
    assert world.story("journey.exited") == ["journey.exited error"]
    assert world.record().instances == ()


BAD = [
    None,
    True,
    1.5,
    "soon",
    "2026-01-18",
    "2026-01-18T14:00:00",
    -1,
    10**18,
    ["2026-01-18T16:00:00Z"],
    {},
]


@pytest.mark.parametrize("value", BAD)
def test_an_until_that_fails_ends_the_instance_with_an_error_and_says_why(value: object) -> None:
    world = World(until("until: event.properties.t"))
    world.event(properties={"t": value})
    assert world.story("expression.failed", "journey.exited") == [
        "expression.failed pause",
        "journey.exited error",
    ]
    (failed,) = world.told("expression.failed")
    assert str(failed.detail["error"]).startswith("event.properties.t: ")


def test_an_until_that_fails_follows_on_error() -> None:
    world = World(until("until: event.properties.missing, on_error: failed"))
    world.event()
    assert world.story("expression.failed", "journey.exited") == [
        "expression.failed pause",
        "journey.exited failed",
    ]


def test_a_time_after_the_year_9999_is_waited_for() -> None:
    world = World(until("until: timestamp('9999-12-31T00:00:00Z'), offset: P10D"))
    world.event()
    assert due(world) == "9999-12-31T23:59:59.999Z"
    assert len(world.record().instances) == 1


# until_local


def test_the_time_of_day_is_that_of_the_users_zone() -> None:
    world = World(until('until_local: {time: "09:00"}'))
    world.event(traits={"timezone": "America/New_York"})
    assert due(world) == "2026-01-18T14:00:00.000Z"


@pytest.mark.parametrize(
    ("trait", "context", "journeys", "expected"),
    [
        ("Asia/Tokyo", "Europe/Berlin", "America/New_York", "2026-01-19T00:00:00.000Z"),
        (None, "Europe/Berlin", "America/New_York", "2026-01-19T08:00:00.000Z"),
        ("Mars/Olympus", "Europe/Berlin", "America/New_York", "2026-01-19T08:00:00.000Z"),
        (9, ["UTC"], "America/New_York", "2026-01-18T14:00:00.000Z"),
        (None, None, "America/New_York", "2026-01-18T14:00:00.000Z"),
        (None, "nowhere", None, "2026-01-19T09:00:00.000Z"),
    ],
)
def test_the_users_zone_is_the_traits_then_the_entry_events_then_the_journeys_then_utc(
    trait: object, context: object, journeys: str | None, expected: str
) -> None:
    world = World(until('until_local: {time: "09:00"}', timezone=journeys))
    world.event(traits={"timezone": trait}, context={"timezone": context})
    assert due(world) == expected


@pytest.mark.parametrize("zone", ["Mars/Olympus", 5, ["UTC"], {}, True, "x" * 5_000, "+24:00"])
def test_a_zone_that_is_unknown_is_reported_once_per_version_and_minute(zone: object) -> None:
    world = World(until('until_local: {time: "09:00"}', timezone="Asia/Tokyo"))
    for second in (0, 1, 59, 60):
        world.event(at=second * 1_000, user=f"u{second}", traits={"timezone": zone})
    first, second = world.told("expression.failed")
    assert (first.user_id, second.user_id) == ("u0", "u60")
    assert (first.node, first.detail["kind"]) == ("pause", "zone")
    assert "expected the name of a time zone, or an offset" in str(first.detail["error"])
    assert len(str(first.detail["error"])) < 200
    assert {one.detail["due"] for one in world.told("wait.started")} == {"2026-01-19T00:00:00.000Z"}


@pytest.mark.parametrize("zone", ["", None])
def test_a_zone_that_is_absent_is_not_reported(zone: object) -> None:
    world = World(until('until_local: {time: "09:00"}'))
    world.event(traits={"timezone": zone}, context={"timezone": zone})
    assert world.told("expression.failed") == []


@pytest.mark.parametrize("zone", [" asia/tokyo ", "ASIA/TOKYO", "+09:00"])
def test_a_zone_is_found_in_any_case_and_as_an_offset(zone: str) -> None:
    for document, traits in (
        (until('until_local: {time: "09:00"}'), {"timezone": zone}),
        (until('until_local: {time: "09:00", timezone: journey}', timezone=zone), {}),
    ):
        world = World(document)
        world.event(traits=traits)
        assert due(world) == "2026-01-19T00:00:00.000Z"


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("journey", "2026-01-18T14:00:00.000Z"),
        ("Asia/Tokyo", "2026-01-19T00:00:00.000Z"),
        ("UTC", "2026-01-19T09:00:00.000Z"),
    ],
)
def test_a_zone_that_is_named_holds_for_everyone(zone: str, expected: str) -> None:
    fields = f'until_local: {{time: "09:00", timezone: {zone}}}'
    world = World(until(fields, timezone="America/New_York"))
    world.event(traits={"timezone": "Europe/Berlin"}, context={"timezone": "Europe/Berlin"})
    assert due(world) == expected


def test_it_is_strictly_after_now() -> None:
    world = World(until('until_local: {time: "12:00"}'))
    world.event()
    assert due(world) == iso(DAY)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("mon-fri", "2026-01-19"),
        ("tue", "2026-01-20"),
        ("sat", "2026-01-24"),
        ("sun", "2026-01-25"),
        ("fri-mon", "2026-01-19"),
        ("fri-sat", "2026-01-23"),
        ("sat-tue, thu", "2026-01-19"),
        ("wed-wed", "2026-01-21"),
    ],
)
def test_only_on_the_days_that_are_named(days: str, expected: str) -> None:
    world = World(until(f'until_local: {{time: "09:00", weekdays: [{days}]}}'))
    world.event()
    assert due(world) == f"{expected}T09:00:00.000Z"


def test_days_that_are_named_in_another_way_are_the_same_version() -> None:
    one, other = (
        until(f'until_local: {{time: "{time}", weekdays: [{days}]}}')
        for time, days in (("09:00", "mon-wed"), ("09:00:00", "wed, tue, mon-tue"))
    )
    assert one == other


ROUND = """
morning: {type: delay, until_local: {time: "09:00"}}
again: {type: criteria, branches: [{when: entry.properties.n == 0, next: done}], otherwise: morning}
done: {type: exit, reason: done}
"""


def test_every_morning_is_nine_o_clock_also_when_the_clock_changes() -> None:
    world = World(journey(ROUND))
    start = 69 * DAY  # 2026-03-28
    world.event(at=start, properties={"n": 1}, context={"timezone": "Europe/Berlin"})
    world.clock(start + 3 * DAY)
    reached = [one.at for one in world.told("node.reached") if one.node == "again"]
    assert reached == [
        "2026-03-29T07:00:00.000Z",
        "2026-03-30T07:00:00.000Z",
        "2026-03-31T07:00:00.000Z",
    ]


def test_an_instance_keeps_the_entry_events_zone_for_a_delay_that_comes_later() -> None:
    world = World(
        journey("""
        wait: {type: delay, for: 1h}
        morning: {type: delay, until_local: {time: "09:00"}}
        """)
    )
    world.event(context={"timezone": "Asia/Tokyo", "page": "x"}, properties={"n": 1})
    assert world.instance().context == {"entry": {"context": {"timezone": "Asia/Tokyo"}}}
    world.clock(2 * HOUR)
    assert world.instance().wait.due == START + 12 * HOUR


def test_an_instance_keeps_no_zone_where_none_is_asked_for() -> None:
    world = World(
        journey("""
        wait: {type: delay, for: 1h}
        morning: {type: delay, until_local: {time: "09:00", timezone: journey}}
        """)
    )
    world.event(context={"timezone": "Asia/Tokyo"})
    assert world.instance().context == {}


@pytest.mark.parametrize("fields", ["until: now + duration('9h')", "until_local: {time: '21:00'}"])
def test_both_clocks_let_it_go_at_its_time(fields: str) -> None:
    stream, wall = (World(until(fields), clock=clock) for clock in ("stream", "wall"))
    stream.event(received=0)
    stream.clock(9 * HOUR)
    wall.event(arrival=0)
    wall.fire(9 * HOUR - 1)
    assert len(wall.record().instances) == 1
    wall.fire(9 * HOUR)
    assert wall.story() == stream.story()
    assert wall.story()[-1] == "journey.exited done +32400s"


def test_under_wall_a_late_delay_counts_the_next_from_when_it_fired() -> None:
    world = World(journey(ROUND), clock="wall")
    world.event(arrival=0, properties={"n": 1})
    world.fire(3 * DAY, now=3 * DAY + MINUTE)
    assert world.instance().wait.due == START + 3 * DAY + 21 * HOUR


# What is refused when it is pushed.


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (
            "{type: delay}",
            "4:9: node 'pause' (delay): a delay needs exactly one of 'for', 'until' and "
            "'until_local'",
        ),
        (
            "{type: delay, for: 1h, until: now}",
            "4:35: node 'pause' (delay): a delay needs exactly one of 'for', 'until' and "
            "'until_local'",
        ),
        ("{type: delay, for: 1h, offset: 1h}", "node 'pause' (delay): 'offset' needs 'until'"),
        (
            "{type: delay, for: 1h, on_error: pause}",
            "'on_error' needs an expression in 'for' or 'until'",
        ),
        (
            "{type: delay, until: now, offset: 1}",
            "'offset' in node 'pause' (delay): found 1 (integer), expected a duration such as 1h, "
            "or -1h for before",
        ),
        (
            "{type: delay, until: 'true'}",
            "'until' in node 'pause' (delay): the value is bool, expected a time or text",
        ),
        (
            "{type: delay, until: '2026-03-01T09:00:00Z'}",
            "'until' in node 'pause' (delay): found a plain time, expected CEL: "
            "timestamp('2026-03-01T09:00:00Z')",
        ),
        ("{type: delay, until: nwo}", "unknown name 'nwo': did you mean 'now'?"),
        (
            "{type: delay, until_local: {weekdays: [mon]}}",
            "'until_local' of node 'pause' (delay): 'until_local' needs exactly one of 'time' and "
            "'between'",
        ),
        *(
            (
                f"{{type: delay, until_local: {{time: {time}}}}}",
                "'time' in 'until_local' of node 'pause' (delay): found",
            )
            for time in ('"24:00"', '"9:00"', '"12:60"', "900", '"09:00:60"', '"0９:00"', "9am")
        ),
        (
            "{type: delay, until_local: {time: '09:00', weekdays: [mon-fir]}}",
            "'weekdays[0]' in 'until_local' of node 'pause' (delay): found 'mon-fir', expected "
            "mon, tue, wed, thu, fri, sat, sun or a range of them such as mon-fri",
        ),
        (
            "{type: delay, until_local: {time: '09:00', weekdays: [Mon]}}",
            "did you mean 'mon'?",
        ),
        ("{type: delay, until_local: {time: '09:00', weekdays: []}}", "expected at least one"),
        (
            "{type: delay, until_local: {time: '09:00', timezone: Europe/Berln}}",
            "'timezone' in 'until_local' of node 'pause' (delay): found 'Europe/Berln', expected "
            "'user', 'journey' or the name of a time zone such as Europe/Berlin, or UTC: did you "
            "mean 'Europe/Berlin'?",
        ),
    ],
)
def test_a_delay_that_can_not_be_is_refused_with_its_place(fields: str, problem: str) -> None:
    text = f"kind: Journey\nname: tour\nentry: {{event: start}}\nnodes: {{pause: {fields}}}\n"
    problems = told(text)
    assert len(problems) == 1, problems
    assert problem in problems[0]


def test_a_journey_has_no_zone_that_is_none() -> None:
    text = (
        "kind: Journey\nname: tour\ntimezone: user\nentry: {event: start}\nnodes: {a: {type: exit}}"
    )
    (problem,) = check([("tour.yaml", text)], KINDS)[1]
    assert str(problem) == (
        "tour.yaml:3:11: 'timezone' in Journey 'tour': found 'user', expected the name of a time "
        "zone such as Europe/Berlin, or UTC"
    )

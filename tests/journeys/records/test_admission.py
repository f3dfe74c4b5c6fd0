"""The door for events: whatever comes becomes an event or a reason, never an exception."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agents.kinds import KINDS
from journeys.catalog.catalog import Catalog
from journeys.catalog.running import RunningCatalog
from journeys.documents.catalog_records import ActiveVersion
from journeys.engine.step_context import UnknownVersion
from journeys.nodes.base import Go, Step
from journeys.nodes.wait_for_event import WaitForEvent
from journeys.records.admission import MAX_DEPTH, admit
from journeys.records.event import Event, Rejection
from journeys.records.outcome import key_of
from tests.journeys.builders import HOUR, World, iso, journey

STAY = "w: {type: wait_for_event, event: answer, within: forever}"


def _admit(**fields: Any) -> Event | Rejection:
    wire = {"event": "e", "userId": "u", **fields}
    return admit(json.dumps({k: v for k, v in wire.items() if v is not ...}).encode(), "place")


def test_an_event_as_the_specification_shows_it() -> None:
    event = admit(
        b'{"event": "Checkout Started", "timestamp": "2026-01-18T14:32:15.234Z", "messageId": '
        b'"m-1", "userId": "u-7", "sessionId": "s-3", "properties": {"total": 120.5}, "context": '
        b'{"timezone": "America/New_York"}, "traits": {"email": "a@example.com"}, "more": [1]}',
        "place",
    )
    assert isinstance(event, Event)
    assert (event.name, event.user_id, event.message_id) == ("Checkout Started", "u-7", "m-1")
    assert event.timestamp == 1_768_746_735_234
    assert event.facts(5) == {
        "event": "Checkout Started",
        "timestamp": 5,
        "messageId": "m-1",
        "userId": "u-7",
        "sessionId": "s-3",
        "properties": {"total": 120.5},
        "context": {"timezone": "America/New_York"},
        "traits": {"email": "a@example.com"},
    }


def test_the_anonymous_id_is_the_user_where_there_is_no_other() -> None:
    event = _admit(userId=..., anonymousId="a")
    assert isinstance(event, Event)
    assert event.user_id == "a"
    both = _admit(anonymousId="a")
    assert isinstance(both, Event)
    assert both.user_id == "u"


def test_a_message_id_that_is_absent_is_the_place_in_the_log() -> None:
    event = _admit()
    assert isinstance(event, Event)
    assert event.message_id == "place"


def test_numbers_without_fraction_or_exponent_are_integers_and_the_rest_are_not() -> None:
    event = admit(b'{"event":"e","userId":"u","properties":{"a":1,"b":1.0,"c":1e0}}', "")
    assert isinstance(event, Event)
    assert [type(value) for value in event.facts(0)["properties"].values()] == [int, float, float]


@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"event": ...}, "malformed", "`event`: found nothing, expected the name"),
        ({"event": ""}, "malformed", "`event`: found an empty text, expected the name"),
        ({"event": 5}, "malformed", "`event`: found int, expected str"),
        ({"userId": ...}, "malformed", "`userId`: found nothing, expected a text"),
        ({"userId": 7.5}, "malformed", "`userId`: found float, expected int | str"),
        ({"userId": True}, "malformed", "`userId`: found bool, expected int | str"),
        ({"userId": ""}, "malformed", "`userId`: found nothing, expected a text or an integer"),
        ({"userId": "", "anonymousId": ""}, "malformed", "`userId`: found nothing"),
        ({"userId": 2**64}, "invalid_user", "found the integer 18446744073709551616"),
        ({"userId": "", "anonymousId": -(2**63) - 1}, "invalid_user", "`anonymousId`: found the"),
        ({"userId": "é" * 513}, "invalid_user", "of 1026 bytes, expected 1 to 1024"),
        ({"properties": []}, "malformed", "`properties`: found array, expected object"),
        ({"traits": "x"}, "malformed", "`traits`: found str, expected object"),
        ({"messageId": 1.5}, "malformed", "`messageId`: found float, expected int | str"),
        ({"anonymousId": False}, "malformed", "`anonymousId`: found bool, expected int | str"),
        ({"timestamp": "yesterday"}, "invalid_time", "`timestamp`: found 'yesterday', expected an"),
        ({"timestamp": "2026-01-18T14:32:15"}, "invalid_time", "`timestamp`"),
        ({"timestamp": -1}, "invalid_time", "`timestamp`: found -1"),
        ({"timestamp": 1e40}, "invalid_time", "within the years 1970 to 9999"),
        ({"timestamp": "1772442000"}, "invalid_time", "found '1772442000', expected an ISO 8601"),
        ({"timestamp": 10**30}, "invalid_time", "`timestamp`: found 1000"),
        ({"timestamp": True}, "malformed", "`timestamp`: found bool, expected int | float | str"),
        ({"receivedAt": "x"}, "invalid_time", "`receivedAt`: found 'x'"),
        ({"backfill": "yes"}, "malformed", "found str, expected true, false or 'overwrite'"),
        ({"backfill": 1}, "malformed", "found int, expected true, false or 'overwrite'"),
        ({"properties": {"x": "x" * 2**20}}, "too_large", "expected at most 1048576"),
    ],
)
def test_a_rejection_names_the_field_what_was_found_and_what_was_expected(
    fields: dict[str, Any], reason: str, words: str
) -> None:
    verdict = _admit(**fields)
    assert isinstance(verdict, Rejection)
    assert verdict.reason == reason
    assert words in verdict.detail


@pytest.mark.parametrize(
    ("fields", "user", "message"),
    [
        ({"userId": 7}, "7", "place"),
        ({"userId": 0}, "0", "place"),
        ({"userId": 2**64 - 1, "messageId": 12}, "18446744073709551615", "12"),
        ({"userId": -(2**63)}, "-9223372036854775808", "place"),
        ({"userId": "", "anonymousId": "a"}, "a", "place"),
        ({"userId": None, "anonymousId": 5}, "5", "place"),
        ({"userId": "\ufeffann", "messageId": ""}, "ann", "place"),
        ({"userId": "a\0b", "messageId": None}, "a\ufffdb", "place"),
        ({"userId": "half \ud83c"}, "half \ufffd", "place"),
    ],
)
def test_an_id_is_text_or_an_integer_and_an_empty_one_is_none(
    fields: dict[str, Any], user: str, message: str
) -> None:
    event = _admit(**fields)
    assert isinstance(event, Event)
    assert (event.user_id, event.message_id) == (user, message)
    facts = event.facts(0)
    assert facts.get("userId", facts.get("anonymousId")) == user
    assert all(isinstance(facts[name], str) for name in facts if name.endswith("Id"))


NOON = 1_772_442_000_123


@pytest.mark.parametrize("field", ["timestamp", "receivedAt"])
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (1_772_442_000, NOON - 123),
        (1_772_442_000.123, NOON),
        (1_772_442_000.1239, NOON),
        (NOON, NOON),
        (NOON + 0.9, NOON),
        (NOON * 1_000 + 999, NOON),
        (NOON * 1_000_000 + 999_999, NOON),
        (float(NOON * 1_000_000), NOON),
        (0, 0),
        (10**11 - 1, (10**11 - 1) * 1_000),
        (10**11, 10**11),
        (10**14 - 1, 10**14 - 1),
        (10**14, 10**11),
        (10**17 - 1, 10**14 - 1),
        (10**17, 10**11),
        ("\ufeff2026-03-02T09:00:00.123Z", NOON),
        ("2026-03-02 10:00:00,123+01", NOON),
    ],
)
def test_the_unit_of_a_time_that_is_a_number_follows_from_its_size(
    field: str, given: Any, expected: int
) -> None:
    event = _admit(**{field: given})
    assert isinstance(event, Event)
    assert (event.timestamp if field == "timestamp" else event.received_at) == expected


ODD = {
    "half a pair": (b'"a\\ud83c"', "a\ufffd"),
    "its other half": (b'"\\udf89 b"', "\ufffd b"),
    "a whole pair": (b'"\\ud83c\\udf89"', "\U0001f389"),
    "NUL": (b'"a\\u0000b"', "a\0b"),
    "a control character": (b'"a\x01b"', "a\x01b"),
    "Latin-1": (b'"M\xfcller"', "M\ufffdller"),
    "a byte order mark": (b'"\xef\xbb\xbfx"', "\ufeffx"),
    "beyond a double": (b"1e400", None),
    "NaN": (b"NaN", None),
    "many digits": (b"9" * 5_000, None),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("place", ["properties", "context", "traits", "unknown", "key"])
def test_an_odd_value_costs_nothing_but_itself(odd: str, place: str) -> None:
    text, read = ODD[odd]
    fields = {"properties": b'{"n":1}', place: b'{"x":' + text + b',"y":[2]}'}
    if place == "key":
        if not text.startswith(b'"'):
            pytest.skip("a key is text")
        fields[place] = b"{" + text + b":1}"
    content = b",".join(b'"%s":%s' % (name.encode(), value) for name, value in fields.items())
    event = admit(b'{"event":"e","userId":"u",' + content + b"}", "place")
    assert isinstance(event, Event)
    facts = event.facts(0)
    if place in facts:
        assert facts[place] == {"x": read, "y": [2]}
    if place != "properties":
        assert facts["properties"] == {"n": 1}
    words = "NaN, which is" if odd == "NaN" else "a number beyond"
    told = [f"{place}.x: {words}"] if read is None and place in facts else []
    assert [one[: len(told[0])] for one in event.unread] == told


@pytest.mark.parametrize(
    "value",
    [
        b'\xef\xbb\xbf{"event":"e","userId":"u"}',
        b'{"\xef\xbb\xbfevent":"e","userId":"u"}',
        b'{"event":"e","\xef\xbb\xbfuserId":"u"}',
        b'{"event":"\xef\xbb\xbfe","userId":"\xef\xbb\xbfu"}',
    ],
)
def test_a_byte_order_mark_is_skipped_wherever_a_file_left_it(value: bytes) -> None:
    event = admit(value, "place")
    assert isinstance(event, Event)
    assert (event.name, event.user_id) == ("e", "u")


def test_letters_of_a_user_id_that_cannot_be_read_would_mix_up_two_people() -> None:
    verdict = admit(b'{"event":"e","userId":"M\xfcller"}', "place")
    assert isinstance(verdict, Rejection)
    assert (verdict.reason, "not UTF-8" in verdict.detail) == ("invalid_user", True)


WRONG = {"int": 1, "float": 1.5, "bool": True, "array": [], "object": {}, "str": "x"}
RIGHT = {
    "event": {"str"},
    "userId": {"str", "int"},
    "anonymousId": {"str", "int"},
    "sessionId": {"str", "int"},
    "messageId": {"str", "int"},
    "timestamp": {"int", "float"},
    "receivedAt": {"int", "float"},
    "type": {"str"},
    "backfill": {"bool"},
    "properties": {"object"},
    "context": {"object"},
    "traits": {"object"},
    "traits_once": {"object"},
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("field", RIGHT)
def test_every_field_takes_its_types_and_names_every_other(field: str, kind: str) -> None:
    verdict = _admit(**{field: WRONG[kind]})
    if kind in RIGHT[field]:
        assert isinstance(verdict, Event)
        return
    assert isinstance(verdict, Rejection)
    assert f"`{field}`: found " in verdict.detail
    if field not in ("timestamp", "receivedAt"):
        assert f"found {kind}, expected " in verdict.detail
    assert verdict.user_id == (None if field in ("userId", "anonymousId") else "u")


@pytest.mark.parametrize("place", ["traits", "traits_once", "properties"])
def test_an_integer_beyond_64_bits_is_kept_as_the_nearest_double(place: str) -> None:
    read = "entry.properties" if place == "properties" else "user.traits"
    after = "w: {type: delay, for: 1h}\ns: {type: update_profile, traits: {copy: '${%s.n[0]}'}}"
    world = World(journey(after % read))
    numbers = b"[18446744073709551616, 18446744073709551615, -9223372036854775808]"
    world.raw(b'{"event":"start","userId":"u","%s":{"n":%s}}' % (place.encode(), numbers))
    world.clock("end")
    assert world.told("event.rejected") == []
    assert world.record().traits["copy"] == 2.0**64


def test_a_field_that_could_not_be_read_is_reported_and_the_event_counts() -> None:
    world = World(journey(STAY))
    world.raw(b'{"event":"start","userId":"u","timestamp":1e400,"properties":{"n":-1e999}}')
    (altered,) = world.told("event.altered")
    words = "a number beyond the range of a double"
    fields = [f"timestamp: {words}: 1e400", f"properties.n: {words}: -1e999"]
    assert (altered.user_id, altered.detail) == ("u", {"fields": fields})
    assert len(world.told("journey.entered")) == 1


@pytest.mark.parametrize(
    "value",
    [b"", b"null", b"[]", b"{", b"\xff", b"\xef\xbb\xbf{}", b"[" * 100_000, b'{"event":"e",}',
     b'{"event":"e","userId":"u","properties":{"a":' + b"[" * 100_000],
)  # fmt: skip
def test_bytes_that_are_no_event(value: bytes) -> None:
    verdict = admit(value, "")
    assert isinstance(verdict, Rejection)
    assert verdict.reason == "malformed"
    assert "expected" in verdict.detail or "range" in verdict.detail


@pytest.mark.parametrize("field", ["properties", "context", "traits", "traits_once", "unknown"])
def test_depth_is_limited_by_the_event_and_not_by_who_looks(field: str) -> None:
    def nested(levels: int) -> bytes:
        lists = "[" * (levels - 2) + "]" * (levels - 2)
        return f'{{"event":"e","userId":"u","{field}":{{"a":{lists}}}}}'.encode()

    assert isinstance(admit(nested(MAX_DEPTH), ""), Event)
    if field != "unknown":
        assert isinstance(admit(nested(MAX_DEPTH + 1), ""), Rejection)


@given(st.binary() | st.text().map(str.encode))
@example(b'{"event":"e","userId":"u","traits":{"a":' + b"9" * 5_000 + b"}}")
def test_no_bytes_raise(value: bytes) -> None:
    assert isinstance(admit(value, "place"), Event | Rejection)


_ONE = b'{"event":"e","userId":"u","properties":'


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(_ONE + b'{"n":' + b"9" * 1_000_000 + b"}}", None, id="digits"),
        pytest.param(_ONE + b'{"n":0.' + b"9" * 1_000_000 + b"}}", None, id="decimals"),
        pytest.param(_ONE + b'{"n":1e' + b"9" * 1_000_000 + b"}}", None, id="exponent"),
        pytest.param(b'{"timestamp":"' + b"9" * 1_000_000 + b'"}', "malformed", id="no user"),
        pytest.param(
            b'{"event":"e","userId":"u","timestamp":"' + b"9" * 1_000_000 + b'"}',
            "invalid_time",
            id="time",
        ),
        pytest.param(b"[" * 1_000_000, "malformed", id="["),
        pytest.param(_ONE + b'{"a":' * 150_000, "malformed", id="open"),
        pytest.param(_ONE + b"[" * 500_000 + b"]" * 500_000 + b"}", "malformed", id="lists"),
        pytest.param(_ONE + b'{"a":' * 170_000 + b"1" + b"}" * 170_001, "malformed", id="objects"),
        pytest.param(_ONE + b'{"a":[' + b"[]," * 340_000 + b"1]}}", None, id="wide"),
        pytest.param(
            b'{"userId":"u",' + b'"event":"a",' * 80_000 + b'"event":"e"}', None, id="twice"
        ),
        pytest.param(
            _ONE + b"{" + b",".join(b'"%d":1' % n for n in range(80_000)) + b"}}", None, id="keys"
        ),
        pytest.param(_ONE + b'{"n":[' + b"1e999," * 150_000 + b"1]}}", None, id="beyond double"),
        pytest.param(_ONE + b'{"s":"' + b"\\ud83c" * 160_000 + b'"}}', None, id="surrogates"),
        pytest.param(b'{"event":"e","userId":"\xed\xa0\x80"}', "invalid_user", id="its bytes"),
    ],
)
def test_the_worst_megabyte_is_judged_soon(value: bytes, reason: str | None) -> None:
    before = time.process_time()
    verdict = admit(value, "place")
    assert time.process_time() - before < 5  # the slowest takes 0.2 s
    assert (verdict.reason if isinstance(verdict, Rejection) else None) == reason


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.none() | st.text() | st.integers() | st.floats() | st.lists(st.text())
            for name in ("event", "userId", "anonymousId", "timestamp", "messageId", "traits")
        },
    )
)
def test_no_json_raises(wire: dict[str, Any]) -> None:
    assert isinstance(admit(json.dumps(wire).encode(), "place"), Event | Rejection)


# What becomes of them in the log.


def test_a_rejected_event_is_reported_with_reason_and_place_and_the_next_is_applied() -> None:
    world = World(journey(STAY))
    world.raw(b"nonsense")
    world.event(timestamp="x")
    world.event()
    first, second = world.told("event.rejected")
    assert (first.user_id, first.cause.offset, first.detail["reason"]) == (None, 0, "malformed")
    assert key_of(first) == b"events-0-0"
    assert (second.user_id, second.detail["reason"]) == ("u", "invalid_time")
    assert key_of(second) == b"u"
    assert len(world.told("journey.entered")) == 1


def test_an_unknown_kind_of_record_is_rejected() -> None:
    world = World(journey(STAY))
    world.event(kind="wish")
    assert [one.detail["reason"] for one in world.told("event.rejected")] == ["unknown_record"]


def test_an_event_of_another_partition_is_forwarded_once_and_reported() -> None:
    world = World(journey(STAY), partition_of=lambda user: 3)
    world.event(at=5)
    (reroute,) = world.effects.reroutes
    assert reroute.key == b"u"
    assert msgspec.json.decode(reroute.value)["event"] == "start"
    assert reroute.headers == [("journeys-record", b"event"), ("journeys-origin", b"events-0-0")]
    assert world.told()[0].type == "event.rerouted"
    assert world.told()[0].detail == {"from": 0, "to": 3}
    assert world.records.get("u") is None
    assert world.processor.partition_time == 0


def test_a_rerouted_event_is_applied_and_keeps_its_place_as_its_message_id() -> None:
    world = World(journey(STAY), partition_of=lambda user: 0)
    world.raw(b'{"event":"start","userId":"u"}', kind="event", origin="events-7-42")
    (entered,) = world.told("journey.entered")
    assert entered.detail["message_id"] == "events-7-42"
    assert world.effects.reroutes == []


class Broken(WaitForEvent):
    """A node with a defect in every verb that it still has to go through."""

    error: ClassVar[type[Exception]] = ZeroDivisionError

    def on_event(self, step: Step) -> Go:
        step.report("wait.matched")
        raise self.error("a defect")

    def on_timer(self, step: Step) -> Go:
        step.report("wait.timed_out")
        raise self.error("a defect")


class OutOfMemory(Broken):
    error = MemoryError


class DiskGone(Broken):
    error = OSError


def _break(world: World, defect: type[Broken]) -> Callable[[], None]:
    """Puts a defect in the place of node `w`; gives what mends it again."""
    nodes = world.program().nodes
    sound = nodes["w"]
    nodes["w"] = defect.model_construct(**sound.__dict__)
    return lambda: nodes.update(w=sound)


def test_an_input_on_which_the_step_raises_is_a_dead_letter_and_the_rest_go_on() -> None:
    world = World(journey(STAY))
    world.event()
    before = world.record()
    told = len(world.told())
    mend = _break(world, Broken)
    world.event("answer", at=5)
    (letter,) = world.effects.dead
    assert (letter.reason, letter.cause.offset, letter.at) == ("ZeroDivisionError", 1, iso(5))
    assert "in on_event" in letter.detail
    assert "a defect" in letter.detail
    assert json.loads(letter.value)["event"] == "answer"
    assert world.record() is before
    assert len(world.told()) == told
    mend()
    world.event("answer", at=6)
    assert len(world.told("wait.matched")) == 1


def test_an_event_that_was_set_aside_is_none_that_was_seen() -> None:
    world = World(journey(STAY))
    world.event()
    mend = _break(world, Broken)
    world.event("answer", at=5, messageId="m-1")
    assert len(world.effects.dead) == 1
    mend()
    for at in (6, 7):  # put back, and once more
        world.event("answer", at=at, messageId="m-1")
    assert len(world.told("wait.matched")) == 1
    assert world.effects.counts["event.repeated"] == 1


@pytest.mark.parametrize("defect", [OutOfMemory, DiskGone])
def test_what_no_input_can_cause_passes_through(defect: type[Broken]) -> None:
    world = World(journey(STAY.replace("forever", "1h")), clock="wall")
    world.event(arrival=0)
    _break(world, defect)
    with pytest.raises(defect.error):
        world.event("answer", at=5, arrival=5)
    with pytest.raises(defect.error):
        world.fire(HOUR)


@pytest.mark.parametrize("by", ["clock", "event"])
def test_a_timer_on_which_the_step_raises_ends_its_instance_with_reason_error(by: str) -> None:
    world = World(journey(STAY.replace("forever", "1h")), clock="wall")
    world.event(arrival=0)
    _break(world, Broken)
    if by == "clock":
        world.fire(HOUR)
    else:
        world.event("other", at=HOUR, arrival=HOUR)
    assert world.record().instances == ()
    (end,) = world.told("journey.exited")
    assert end.detail == {"reason": "error", "error": "ZeroDivisionError: a defect"}
    assert world.effects.dead == []
    assert world.told("wait.timed_out") == []


def test_a_version_that_the_catalog_lacks_stops_the_worker() -> None:
    world = World(journey(STAY.replace("forever", "1h")), clock="wall")
    world.event(arrival=0)
    other = {("tour", "v2"): journey(STAY)}
    behind = Catalog(KINDS, {"tour": ActiveVersion("v2", "running", "running")}, other)
    world.processor.catalog = RunningCatalog(behind)
    with pytest.raises(UnknownVersion, match="tour/v1"):
        world.fire(HOUR)
    with pytest.raises(UnknownVersion, match="tour/v1"):
        world.event("other", at=HOUR, arrival=HOUR)

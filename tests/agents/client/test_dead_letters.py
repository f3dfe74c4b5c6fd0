"""Dead letters are known by what is in them, and give back exactly what stood in the log."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.client.dead_letters import (
    DeadMark,
    Filter,
    Letter,
    Letters,
    Status,
    is_mark,
    mark_of,
    original,
)
from agents.delivery.outcomes import dead_letter
from agents.errors import UserError
from journeys.records.dead_letter import DeadLetter, dead_input
from journeys.records.input import Input
from journeys.records.outcome import Cause

ACTION = b'{"action_id":"a-1","user_id":"ann","journey":"welcome","event":5}'
EVENT = b'{"event":"Signed Up","userId":"ben"}'
TO_MAILER = Cause("journeys.actions.mailer", 2, 17)


class Record:
    """A record of `journeys.dead` as a consumer hands it over."""

    def __init__(
        self, value: bytes, headers: list[tuple[str, bytes]] | None = None, at: int = 0
    ) -> None:
        self._value, self._headers, self._at = value, headers, at

    def value(self) -> bytes:
        return self._value

    def headers(self) -> list[tuple[str, bytes]] | None:
        return self._headers

    def timestamp(self) -> tuple[int, int]:
        return 2, self._at

    def partition(self) -> int:
        return 1

    def offset(self) -> int:
        return self._at


def of_action(offset: int = 17, value: bytes = ACTION, reason: str = "refused") -> DeadLetter:
    cause = Cause("journeys.actions.mailer", 2, offset)
    return dead_letter(reason, "it answered 400", cause, b"ann", value, 0)


def of_event(
    value: bytes = EVENT, key: bytes | None = b"ben", kind: str | None = None
) -> DeadLetter:
    one = Input("journeys.events", 3, 9, key, value, 0, kind)
    return dead_input(one, ZeroDivisionError("a defect"), 0, "evaluate")


def read(letter: DeadLetter) -> Letter:
    """The letter as it comes from the topic."""
    (found,) = letters(letter).fitting(Filter())
    return found


def letters(*records: DeadLetter | tuple[DeadLetter, Status]) -> Letters:
    """What is known when these were read; with a status: the letter's mark."""
    found = Letters()
    for at, one in enumerate(records):
        if isinstance(one, DeadLetter):
            found.read(Record(msgspec.json.encode(one), at=at))
        else:
            made = mark_of(Letter(one[0], 1, 0, 0), one[1], 0)
            found.read(Record(made.value, made.headers, at))
    return found


@given(st.binary(), st.one_of(st.none(), st.binary()), st.booleans())
def test_what_is_put_back_is_what_stood_there(
    value: bytes, key: bytes | None, by_deliver: bool
) -> None:
    if by_deliver:
        letter = read(dead_letter("malformed", "", TO_MAILER, key, value, 0))
        assert original(letter) == ("journeys.actions.mailer", 2, key, value, [])
    else:
        letter = read(of_event(value, key))
        assert original(letter)[:4] == ("journeys.events", 3, key, value)


def test_an_event_takes_its_place_along_and_what_is_no_event_its_kind() -> None:
    origin = ("journeys-origin", b"journeys.events-3-9")
    assert original(read(of_event())).headers == [origin]
    kind = ("journeys-record", b"response")
    assert original(read(of_event(kind="response"))).headers == [kind, origin]
    moved = Input("journeys.events", 3, 9, None, EVENT, 0, "event", "journeys.events-0-5")
    letter = dead_input(moved, ZeroDivisionError(), 0, "evaluate")
    assert original(read(letter)).headers == [
        ("journeys-record", b"event"),
        ("journeys-origin", b"journeys.events-0-5"),
    ]


@pytest.mark.parametrize("topic", ["journeys.config", "journeys.users", "orders", None])
def test_nothing_is_put_back_where_no_input_comes_from(topic: str | None) -> None:
    letter = msgspec.structs.replace(of_action(), cause=Cause(topic, 0, 0))
    with pytest.raises(UserError, match="is not an input of"):
        original(read(letter))


def test_a_letter_is_known_by_what_is_in_it() -> None:
    action, event = read(of_action()), read(of_event())
    assert (action.destination, action.journey, action.user, action.event) == (
        "mailer",
        "welcome",
        "ann",
        None,
    )
    assert (event.destination, event.journey, event.user, event.event) == (
        None,
        None,
        "ben",
        "Signed Up",
    )


@given(st.binary())
def test_the_user_of_an_arbitrary_value_is_its_key_or_none(value: bytes) -> None:
    assert read(of_event(value, key=None)).user is None
    assert read(of_event(value, key=b"k")).user == "k"


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (Filter(), "ae"),
        (Filter(role="deliver"), "a"),
        (Filter(reason="ZeroDivisionError"), "e"),
        (Filter(destination="mailer"), "a"),
        (Filter(destination="mail"), ""),
        (Filter(journey="welcome"), "a"),
        (Filter(user="ben"), "e"),
        (Filter(since=1), "e"),
        (Filter(until=1), "a"),
        (Filter(since=1, until=1), ""),
        (Filter(role="deliver", user="ben"), ""),
    ],
)
def test_filters(wanted: Filter, fits: str) -> None:
    found = letters(of_action(), of_event()).fitting(wanted)
    assert "".join("a" if one.destination else "e" for one in found) == fits


def test_the_last_mark_holds_and_a_letter_that_comes_again_is_open() -> None:
    one, other = of_action(1), of_action(2)
    found = letters(one, other, (one, "replayed"))
    assert [letter.id for letter in found.fitting(Filter())] == [other.dead_id]
    assert [letter.status for letter in found.fitting(Filter(), closed=True)] == [
        "replayed",
        "open",
    ]
    found = letters(one, (one, "replayed"), (one, "discarded"))
    assert found.by_id(one.dead_id).status == "discarded"
    assert letters(one, (one, "replayed"), one).by_id(one.dead_id).status == "open"


def test_what_is_neither_letter_nor_mark_is_passed_over() -> None:
    found = letters(of_action())
    mark = [("journeys-record", b"dead-mark")]
    for value, headers in [(b"", None), (b"{}", mark), (b"\xff", mark), (b"[1]", None)]:
        found.read(Record(value, headers))
    stranger = DeadMark("not-there", "replayed", "")
    found.read(Record(msgspec.json.encode(stranger), mark))
    assert len(found.fitting(Filter(), closed=True)) == 1
    assert not is_mark(Record(b"{}", [("journeys-record", b"event")]))


def test_an_id_may_be_short_but_must_be_one() -> None:
    ids = [letter.dead_id for letter in map(of_action, range(300))]
    found = letters(*map(of_action, range(300)))
    assert found.by_id(ids[7][:12].upper()).id == ids[7]
    with pytest.raises(UserError, match="is too short for one"):
        found.by_id(ids[7][:1])
    with pytest.raises(UserError, match=f"did you mean {ids[7]}"):
        found.by_id(ids[7][:-1] + "?")
    with pytest.raises(UserError, match="journeys dead list --all"):
        found.by_id("nothing like it")

"""Mistakes in `let`, where it is defined and where it is read."""

from __future__ import annotations

import pytest

from agents.kinds import KINDS
from journeys.checks.check import check, warnings
from journeys.expressions.lets import uses

TAIL = "  w: {type: wait_for_event, event: x, within: 1h, on_timeout: e}\n  e: {type: exit}\n"


def told(text: str) -> list[str]:
    return [str(problem).removeprefix("f:") for problem in check([("f", text)], KINDS)[1]]


def document(lets: str, entry: str = "", nodes: str = "") -> str:
    """A journey with lets on line 3, the entry on line 4 and nodes from line 6 on."""
    entry = f", {entry}" if entry else ""
    return (
        f"kind: Journey\nname: tour\nlet: {{{lets}}}\n"
        f"entry: {{event: start{entry}}}\nnodes:\n{nodes}{TAIL}"
    )


def branch(when: str) -> str:
    return f"  c: {{type: criteria, branches: [{{when: {when}, next: e}}], otherwise: w}}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (document("vip: user.traits.a", "where: let.vpi"),
         "4:34: 'where' in the entry: no let is called 'vpi': did you mean 'vip'?"),
        (document("", "where: let.vip"),
         "4:30: 'where' in the entry: the journey has no 'let'"),
        (document("a: now", "where: let"),
         "4:30: 'where' in the entry: 'let' is read by a name: let.<name>"),
        (document("a: now", "where: let.a()"),
         "4:30: 'where' in the entry: 'let.a' is a value: write it without '()'"),
        (document("a: let.b, b: let.c, c: let.a", "where: let.a"),
         "3:7: the lets let.a -> let.b -> let.c -> let.a read each other in a circle"),
        (document("a: let.a"),
         "3:7: the lets let.a -> let.a read each other in a circle"),
        (document("city: 'string(now)'", "where: let.city"),
         "4:30: 'where' in the entry: in let.city (line 3): the condition is text, expected true or false"),
        (document("city: 'string(now)'", "where: let.city + 1 > 0"),
         "4:39: 'where' in the entry: '+' doesn't take text and int: write string(x), or int(x) where the text is a number"),
        (document("a: user.traits.a = 1", "where: let.a"),
         "3:24: 'a' in 'let' of Journey 'tour': found '=', expected '=='"),
        (document("a: usr.traits.a", "where: let.a && let.a"),
         "3:10: 'a' in 'let' of Journey 'tour': unknown name 'usr': did you mean 'user'?"),
        (document("a: steps.w.event.properties.x", "where: let.a == 1"),
         "4:30: 'where' in the entry: in let.a (line 3): 'steps' has no value yet in the entry"),
        (document("b: steps.w.event.properties.x, a: let.b == 1", nodes=branch("let.a")),
         "6:41: 'when' in 'branches[0]' of node 'c' (criteria): in let.a (line 3), let.b (line 3): node 'w' is on no way to 'c', so it has no value there"),
        (document("a: steps.x.event", "where: let.a == 1"),
         "3:16: 'a' in 'let' of Journey 'tour': 'x' is not a node: expected one of 'e', 'w'"),
        (document("a: attr.x"),
         "3:15: 'a' in 'let' of Journey 'tour': no node sets 'x'"),
        (document("a: env.KEY"),
         "3:10: 'a' in 'let' of Journey 'tour': 'env' can be read only in the headers of a Destination"),
        (document("1st: now"),
         "3:7: '1st' in 'let' of Journey 'tour' is not a valid name: expected a label of letters, digits and '_', at most 63, the first not a digit: did you mean '_1st'?"),
        (document("a: 3", "where: let.a"),
         "3:10: 'a' in 'let' of Journey 'tour': found 3 (integer), expected CEL: write it in quotes"),
        (document("a: ''"), "3:10: 'a' in 'let' of Journey 'tour': an empty expression: expected CEL"),
        (document("n: '1'", nodes="  d: {type: delay, for: '${let.n}'}\n"),
         "6:26: 'for' in node 'd' (delay): in let.n (line 3): the value is int, expected a duration or text: write hours(x) or days(x), which say what the number counts"),
        ("kind: Destination\nname: m\ntype: http\nurl: https://a.example.com/${let.x}\n",
         "4:30: 'url' in Destination 'm': 'let' belongs to a journey, and a destination has none: write the expression out"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_once_and_names_both_places(text: str, message: str) -> None:
    assert told(text) == [message]


def test_lets_are_bounded_as_if_written_out() -> None:
    laughs = 'l0: \'"ha" + "ha"\', ' + ", ".join(
        f"l{n}: {' + '.join([f'let.l{n - 1}'] * 10)}" for n in range(1, 9)
    )
    (first,) = told(document(laughs, "where: size(let.l8) > 0"))
    assert "'l3' in 'let'" in first
    assert "too long with its lets written out: at most 10000 characters are allowed" in first
    many = ", ".join(f"l{n}: 'true'" for n in range(101))
    assert any("found 101 items, expected at most 100" in one for one in told(document(many)))
    deep = "l0: now, " + ", ".join(f"l{n}: let.l{n - 1}" for n in range(1, 60))
    assert "nested too deeply" in told(document(deep))[0]


def test_the_whole_document_is_bounded_as_if_written_out() -> None:
    long = f"'size([{', '.join(['user.traits.abc'] * 500)}])'"
    nodes = "".join(
        f"  u{n}: {{type: update_profile, traits: {{a: '${{let.a}}'}}}}\n" for n in range(200)
    )
    found = told(document(f"a: {long}", nodes=nodes))
    assert "too large with its lets written out: expected at most 1000000 characters" in found[0]


FOLLOWS = "  d: {type: delay, until: UNTIL, follow: true}\n"


@pytest.mark.parametrize("until", ["entry.timestamp", "let.end", "let.too", "timestamp(let.text)"])
def test_a_delay_that_follows_no_trait_is_refused_with_lets_as_without(until: str) -> None:
    lets = "end: entry.timestamp, too: let.end, text: entry.properties.end"
    column = len("  d: {type: delay, until: , follow: ") + len(until) + 1
    assert told(document(lets, nodes=FOLLOWS.replace("UNTIL", until))) == [
        f"6:{column}: node 'd' (delay): 'follow' needs an 'until' that reads a trait, or the user's "
        "time zone"
    ]


@pytest.mark.parametrize("until", ["user.traits.end", "let.end", "let.too", "timestamp(let.text)"])
def test_a_delay_that_follows_a_trait_through_a_let_is_accepted(until: str) -> None:
    lets = "end: user.traits.end, too: let.end, text: user.traits.text"
    assert told(document(lets, nodes=FOLLOWS.replace("UNTIL", until))) == []


@pytest.mark.parametrize(
    ("lets", "entry", "expected"),
    [
        ("a: user.traits.b", "", "3:7: warning: 'a' in 'let' of Journey 'tour': no expression reads 'let.a'"),
        ("a: 'true'", "where: let.a", "4:30: warning: 'where' in the entry: the condition is always true: expected one that reads data"),
        ("a: now > timestamp('soon')", "where: let.a", "3:16: warning: 'a' in 'let' of Journey 'tour': 'timestamp' always fails: found 'soon', expected a time such as '2026-03-01T09:00:00Z'"),
    ],
)  # fmt: skip
def test_lint(lets: str, entry: str, expected: str) -> None:
    checked, problems = check([("f", document(lets, entry))], KINDS)
    assert problems == []
    found = [str(one).removeprefix("f:") for one in warnings(checked)]
    assert [one for one in found if "key" not in one] == [expected]


def test_a_let_of_the_value_before_a_change_can_be_read_beside_the_change() -> None:
    lets = "was: before.plan"
    assert (
        told(document(lets, "where: let.was == 'x'").replace("event: start", "changes: plan")) == []
    )
    [found] = told(document(lets, "where: let.was == 'x'"))
    assert "in let.was (line 3): 'before' has a value only in the 'where' of" in found


@pytest.mark.parametrize(
    "text",
    [
        "event.properties.let.x == 1",
        "event.properties['let.x'] == \"let.y\"",
        "event . let == 'a' // let.z",
        "event.properties.outlet.a == 1",
    ],
)
def test_let_in_other_places_is_no_use(text: str) -> None:
    assert list(uses(text)) == []


@pytest.mark.parametrize(
    ("text", "function", "expected"),
    [
        ("plus(now, 'P1X') > now", "plus", "an ISO 8601 duration such as 'P1M', 'P1Y2M3DT4H' or '-P3D'"),
        ("now.plus('P1M', 'Berlin') > now", "plus", "the name of a time zone such as 'Europe/Berlin'"),
        ("plus('2026-01-01', 'P1M') > now", "plus", "a time such as '2026-03-01T09:00:00Z'"),
        ("date(now, 'Europe/Berln') == user.id", "date", "the name of a time zone such as 'Europe/Berlin'"),
        ("now.getHours('Mars') > 3", "getHours", "the name of a time zone such as 'Europe/Berlin'"),
        ("local('2026-13-01', user.id) > now", "local", "a date, with or without a time, such as '2026-05-01' or '2026-05-01 09:00'"),
        ("next_anniversary('29 Feb') > now", "next_anniversary", "a date, with or without a time, such as '1980-02-29'"),
    ],
)  # fmt: skip
def test_a_literal_that_never_works_is_reported(text: str, function: str, expected: str) -> None:
    document_ = document("", f'where: "{text}", key: event.userId')
    checked, problems = check([("f", document_)], KINDS)
    assert problems == []
    (found,) = [str(one) for one in warnings(checked)]
    assert f"'{function}' always fails: found '" in found
    assert found.endswith(f"expected {expected}")


@pytest.mark.parametrize(
    "text",
    [
        "plus('2026-01-31T09:00:00Z', '-P1M', '+05:30') < now",
        "local('2026-05-01', 'europe/berlin') < now",
        "next_anniversary('1980-02-29T00:00:00Z') > now",
    ],
)
def test_a_literal_that_works_gets_no_warning(text: str) -> None:
    found = check([("f", document("", f'where: "{text}", key: event.userId'))], KINDS)[0]
    assert warnings(found) == []


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("http://[::1", "host"),
        ("http://[zz]/", "host"),
        ("http://\u2100.com/", "host"),
        ("http://a.example.com:x/", "port"),
        ("http://a.example.com:99999/", "port"),
    ],
)
def test_a_url_that_cannot_be_read(url: str, part: str) -> None:
    (found,) = told(f"kind: Destination\nname: m\ntype: http\nurl: '{url}'\n")
    assert found.startswith(f"4:6: 'url' in Destination 'm': the {part} can't be read: expected ")


@pytest.mark.parametrize("host", ["[::1]", "[::1]:8080", "localhost.", "localhost"])
def test_an_address_of_this_machine_is_valid(host: str) -> None:
    assert told(f"kind: Destination\nname: m\ntype: http\nurl: http://{host}/x\n") == []

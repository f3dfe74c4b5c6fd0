"""Common mistakes in documents: the message, its place, and what to write instead."""

from __future__ import annotations

import pytest

from agents.kinds import KINDS
from journeys.checks.check import check

HEAD = "kind: Journey\nname: tour\nentry: {event: start}\nnodes:\n"
MAILER = "kind: Destination\nname: mailer\ntype: http\nurl: https://mail.example.com/\n"


def told(text: str | bytes) -> list[str]:
    return [str(problem).removeprefix("f:") for problem in check([("f", text)], KINDS)[1]]


def entry(fields: str, top: str = "") -> str:
    return f"kind: Journey\nname: tour\n{top}entry: {{{fields}}}\nnodes:\n  w: {{type: exit}}\n"


def node(fields: str) -> str:
    return f"{HEAD}  n: {{{fields}}}\n  e: {{type: exit}}\n"


def wait(fields: str) -> str:
    return node(f"type: wait_for_event, event: x, {fields}")


def when(condition: str) -> str:
    return node(f"type: criteria, branches: [{{when: {condition}, next: e}}], otherwise: e")


def variants(fields: str) -> str:
    return node(f"type: experiment, {fields}")


def payload(value: str) -> str:
    return node(f"type: destination, destination: mailer, payload: {value}") + "---\n" + MAILER


def one(text: str | bytes) -> str:
    (message,) = told(text)
    return message


# --- YAML ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind:Journey\nname: x\n", "1:5: found ':' without a space after it: expected ': ' after a key"),
        ("kind: Journey\nname x\n", "2:1: found 'name x', expected a key and ':'"),
        ("kind: Journey\n  name: x\n", "2:3: found a key below one that has a value: expected it in the column of the others"),
        ("name: 'x\nkind: y\n", "1:7: found a text without its closing '"),
        ("a: 'b' == 'c'\n", "1:8: found more text after the closing ': write a text with quotes inside in double quotes"),
        ('a: "b" c\n', '1:8: found more text after the closing ": write a text with quotes inside in single quotes'),
        ("a: {to: ${user.id}}\n", "1:9: found '${' without quotes inside '{': write the whole value in quotes"),
        ("a: [${user.id}]\n", "1:5: found '${' without quotes inside '[': write the whole value in quotes"),
        ("a: {b: c ? d : e}\n", "1:14: found ':', expected ',' or '}': a value with special characters needs quotes"),
        ("a: {b: 1\nc: 2\n", "1:4: '{' is not closed: expected '}'"),
        ("a: [1, 2}\n", "1:9: found '}', expected ',' or ']': a value with special characters needs quotes"),
        ("a: [[1\n", "1:5: '[' is not closed: expected ']'"),
        ("a: [1,,2]\n", "1:7: found ',', expected a value"),
        ("{a:}\n", "1:3: found ':' right before '}': expected a value between them"),
        ("a:\n  - b\n  c: 1\n", "3:3: found no '-', as the other items of the list on line 2 have"),
        ("a: b\n- c\n", "2:1: found '-' among the keys of the mapping on line 1"),
        ("a: - b\n", "1:4: found '-' after a key: a list starts on the line below its key"),
        ("a: > 5\n", "1:4: found '>', which has a special meaning in YAML: write the whole value in quotes"),
        ("a: && b\n", "1:4: found '&', which has a special meaning in YAML: write the whole value in quotes"),
        ("a: *\n", "1:4: found '*', which has a special meaning in YAML: write the whole value in quotes"),
        ("a: }\n", "1:4: found '}', expected a value: write the whole value in quotes"),
        ('a: "\\d"\n', "1:5: found '\\d', which is not an escape: in single quotes '\\' is an ordinary character"),
        ('a: "\\ud800"\n', "1:7: found '\\ud800', which is not an escape: in single quotes '\\' is an ordinary character"),
        ("a: 1\n--- b: 2\n", "2:1: found text after '---': a document starts on the next line"),
        ("a:\n  b:\t1\n \tc: 2\n", "3:2: found a tab, expected spaces: YAML is not indented with tabs"),
        ("a: {{x}}\n", "1:5: a key must be text: found a mapping, expected text, or write the whole value in quotes that begins with '{' or '['"),
    ],
)  # fmt: skip
def test_what_is_no_yaml(text: str, message: str) -> None:
    assert message in told(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            variants("variants: {a: {weight: .nan}}"),
            "5:48: found .nan, expected a finite number",
        ),
        (
            variants("variants: {a: {weight: 99999999999999999999}}"),
            "5:48: found an integer beyond 64 bits: write it in quotes",
        ),
        (
            variants("variants: {1: {weight: 1}}"),
            "5:36: a key must be text: found 1 (integer), expected text: write it in quotes",
        ),
        (
            HEAD + "  a: &a {type: delay, for: 1h}\n  b: {<<: *a}\n",
            "6:7: merge keys ('<<') are not supported: write the fields out",
        ),
        (
            node("type: delay, until: *now"),
            "5:27: '*now' is not defined: expected an anchor above it, "
            "or write the whole value in quotes",
        ),
        (
            HEAD + "  a:\n    type: exit\n    type: exit\n",
            "7:5: the key 'type' is duplicated: the first is on line 6",
        ),
        (
            wait("within: 1h, where: !event.properties.ok"),
            "5:58: found '!', which has a special meaning in YAML: write the whole value in quotes",
        ),
    ],
)
def test_what_yaml_allows_and_json_does_not_is_one_mistake(text: str, message: str) -> None:
    assert one(text) == message


def test_lines_and_columns_are_an_editors_whatever_yaml_takes_for_a_line_end() -> None:
    for sign in ("\x85", "\u2028", "\u2029"):
        text = entry("evnt: a, event: a", f"description: 'a{sign}b'\n")
        assert one(text) == "4:9: unknown key 'evnt' in the entry: did you mean 'event'?"
    assert one(entry("evnt: a, event: a").replace("\n", "\r\n")).startswith("3:9: unknown key")
    assert one(b"a: 1\r\nb: \xff").startswith("2:4: found byte 0xff")


# --- Values --------------------------------------------------------------------------------------

NAME = "a name of a-z, 0-9, '_' and '-', at most 63 characters, the first a letter or digit"
LIMITS = "a duration is longer than 0 and at most 1,000 years"
CALENDAR = "years and months have no fixed length"
WITHIN = "5:47: 'within' in node 'n' (wait_for_event): found"
LENGTH = "expected 'forever' or a duration such as 90s, 15m, 1h, 2d, 1w or P1DT2H"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (entry("event: true"), "3:16: 'event' in the entry: found true (boolean), expected an event's name, as text: write it in quotes"),
        (entry("event: [a]"), "3:16: 'event' in the entry: found a list, expected an event's name, as text"),
        (entry("event: a").replace("tour", "My Tour"), f"2:7: 'name' in Journey 'My Tour': found 'My Tour', expected {NAME}: did you mean 'my-tour'?"),
        (entry("event: a").replace("tour", "007"), f"2:7: 'name' in Journey: found 7 (integer), expected {NAME}: write it in quotes"),
        (entry("event: a").replace("  w:", "  W:"), f"5:3: 'W' in 'nodes' of Journey 'tour' is not a valid name: expected {NAME}: did you mean 'w'?"),
        (entry("event: a").replace("Journey", "Journeys"), "1:7: unknown kind 'Journeys': did you mean 'Journey'?"),
        (entry("event: a, reentry: always"), "3:28: 'reentry' in the entry: found 'always', expected 'every_time', 'once' or 'after_exit'"),
        (entry("event: a", "timezone: Europe/Berln\n"), "3:11: 'timezone' in Journey 'tour': found 'Europe/Berln', expected the name of a time zone such as Europe/Berlin, or UTC: did you mean 'Europe/Berlin'?"),
        (wait("within: 1 hour"), f"{WITHIN} '1 hour', {LENGTH}: did you mean '1h'?"),
        (wait("within: 1H"), f"{WITHIN} '1H', {LENGTH}: did you mean '1h'?"),
        (wait("within: 1h30m"), f"{WITHIN} '1h30m', {LENGTH}: did you mean '90m'?"),
        (wait("within: 1.5 days"), f"{WITHIN} '1.5 days', {LENGTH}: did you mean '36h'?"),
        (wait("within: 60"), f"{WITHIN} 60 (integer), {LENGTH}: did you mean '60s'?"),
        (wait("within: 0s"), f"{WITHIN} '0s', {LENGTH}: {LIMITS}"),
        (wait("within: -1h"), f"{WITHIN} '-1h', {LENGTH}: {LIMITS}"),
        (wait("within: P1M"), f"{WITHIN} 'P1M', {LENGTH}: {CALENDAR}"),
        (wait("within: Forever"), f"{WITHIN} 'Forever', {LENGTH}: did you mean 'forever'?"),
        (wait("within: user.traits.days"), f"{WITHIN} 'user.traits.days', {LENGTH}: did you mean '${{days(user.traits.days)}}'?"),
        (wait("within: days(3)"), f"{WITHIN} 'days(3)', {LENGTH}: did you mean '${{days(3)}}'?"),
        (wait("within: 1h, reset: true"), "5:51: unknown key 'reset' in node 'n' (wait_for_event): expected in 'any_of'"),
        (node('type: delay, time: "09:00"'), "5:20: unknown key 'time' in node 'n' (delay): expected in 'until_local'"),
        (node("type: digest, every: 1h, max: 2000"), "5:37: 'max' in node 'n' (digest): found 2000 (integer), expected a number of at most 1,000"),
        (wait("within: forever, on_timeout: e"), "5:68: node 'n' (wait_for_event): 'on_timeout' is never taken where 'within' is forever"),
        (wait("within: 1h, on_timout: e"), "5:51: unknown key 'on_timout' in node 'n' (wait_for_event): did you mean 'on_timeout'?"),
        (wait("within: 1h, timeout: 1h"), "5:51: unknown key 'timeout' in node 'n' (wait_for_event): did you mean 'on_timeout'?"),
        (wait("within: 1h, next: E"), "5:57: 'next' in node 'n' (wait_for_event): 'E' is not a node: did you mean 'e'?"),
        (wait("within: 1h, set: {a-b: 1}"), "5:57: 'a-b' in 'set' of node 'n' (wait_for_event) is not a valid name: expected a label of letters, digits and '_', at most 63, the first not a digit: did you mean 'a_b'?"),
        (node("type: wait, event: x"), "5:13: unknown node type 'wait' in node 'n': did you mean 'wait_for_event'?"),
        (node("type: wait_for_event, any_of: [x], within: 1h"), "5:38: 'any_of[0]' in node 'n' (wait_for_event): found 'x', expected a mapping"),
        (HEAD + "  n: exit\n", "5:6: node 'n': found 'exit', expected a mapping with 'type'"),
        (node("type: delay, until: 2026-01-01"), "5:27: 'until' in node 'n' (delay): found a plain date, expected CEL: timestamp('2026-01-01T00:00:00Z')"),
        (node("type: delay, until_local: {time: 9:00}"), "5:40: 'time' in 'until_local' of node 'n' (delay): found '9:00', expected a time of day such as '09:00' or '23:59:59': did you mean '09:00'?"),
        (node('type: delay, until_local: {time: "09:00", weekdays: mon-fri}'), "5:59: 'weekdays' in 'until_local' of node 'n' (delay): found 'mon-fri', expected a list: did you mean '[mon-fri]'?"),
        (node('type: delay, until_local: {time: "09:00", weekdays: [monday]}'), "5:60: 'weekdays[0]' in 'until_local' of node 'n' (delay): found 'monday', expected mon, tue, wed, thu, fri, sat, sun or a range of them such as mon-fri: did you mean 'mon'?"),
        (variants("variants: {a: {weight: 50%}}"), "5:48: 'weight' in 'variants.a' of node 'n' (experiment): found '50%', expected a number"),
        (variants("variants: {a-b: {weight: 1}}"), "5:36: 'a-b' in 'variants' of node 'n' (experiment) is not a valid name: expected a label of letters, digits and '_', at most 63, the first not a digit: did you mean 'a_b'?"),
        (variants("variants: {a: {weight: 1}}, winner: b"), "5:61: node 'n' (experiment): winner 'b' is not one of the variants: a"),
        (MAILER + "envelope: yes\n", "5:11: 'envelope' in Destination 'mailer': found 'yes', expected true or false: did you mean 'true'?"),
        (MAILER + "ordered: off\n", "5:10: 'ordered' in Destination 'mailer': found 'off', expected true or false: did you mean 'false'?"),
        (MAILER + "method: post\n", "5:9: 'method' in Destination 'mailer': found 'post', expected 'POST', 'PUT', 'PATCH', 'GET' or 'DELETE': did you mean 'POST'?"),
        (MAILER + "headers: {X-A: 5}\n", "5:16: 'X-A' in 'headers' of Destination 'mailer': found 5 (integer), expected text: write it in quotes"),
        (MAILER + "timeout: 10\n", "5:10: 'timeout' in Destination 'mailer': found 10 (integer), expected a duration such as 90s, 15m, 1h, 2d, 1w or P1DT2H: did you mean '10s'?"),
        (MAILER.replace("r\n", "r\nkind: x\n", 1), "3:1: the key 'kind' is duplicated: the first is on line 1"),
        (payload("'${user.id'"), "5:57: 'payload' in node 'n' (destination): '${' is not closed: expected '}'"),
    ],
)  # fmt: skip
def test_a_value_is_reported_with_what_was_most_likely_meant(text: str, message: str) -> None:
    assert one(text) == message


def test_keys_and_names_that_no_line_shows_are_reported_on_one_line() -> None:
    found = told(entry(f'event: a, "x\\ny": 1, {"z" * 300}: 2'))
    assert found[0].startswith("3:19: unknown key 'x\\ny' in the entry: expected one of")
    assert found[1].startswith(f"3:30: unknown key '{'z' * 57}...' in the entry")
    assert all(len(message) < 400 for message in found)


# --- CEL -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("${user.traits.a == 1}", "1: the whole field is CEL: write it without '${' and '}'"),
        ("${user.traits.a} == 1", "1: the whole field is CEL: write it without '${' and '}'"),
        ("{{ user.traits.a }}", "1: the whole field is CEL: write it without '${' and '}'"),
        ("user.traits.a and true", "15: found 'and', expected '&&'"),
        ("user.traits.a OR true", "15: found 'OR', expected '||'"),
        ("not user.traits.a", "1: found 'not', expected '!' in front of the condition"),
        ("not(user.traits.a)", "1: unknown function 'not': expected '!' in front of the condition"),
        ("user.traits.a is null", "15: found 'is', expected '=='"),
        ("user.traits.a is not null", "15: found 'is', expected '!='"),
        ("user.traits.a = 1", "15: found '=', expected '=='"),
        ("user.traits.a === 1", "15: found '===', expected '=='"),
        ("user.traits.a <> 1", "15: found '<>', expected '!='"),
        ("user.traits.a => 1", "15: found '=>', expected '>='"),
        ("true & true", "6: found '&', expected '&&'"),
        ("user.traits.a ?? false", "15: found '??', expected has(x) ? x : y"),
        ("user.traits.a =~ 'x'", "15: found '=~', expected x.matches('...')"),
        ("user.traits.a in ('x', 'y')", "18: found ',', expected a list: x in ['a', 'b']"),
        ("user.traits.a == True", "18: unknown name 'True': did you mean 'true'?"),
        ("user.traits.a == None", "18: unknown name 'None': did you mean 'null'?"),
        ("user.traits.a == “x”", "18: found “, expected a straight quote: ' or \""),
        ("user.traits.a == 'x", "18: a text that is not closed: expected a closing '"),
        ("user.traits.a == '\\d'", "18: found '\\d', which is not an escape: write r'...' around the text"),
        ("user.traits.a # x", "15: found '#', which means nothing in CEL: a comment begins with //"),
        ("user.traits.a; true", "14: found ';', which means nothing in CEL"),
        ("user.traits.first-name == 1", "19: unknown name 'name': a field whose name has a '-' is written ['first-name']"),
        ("user.traits.2nd == 1", "12: found '.2nd': a field of that name is written ['2nd']"),
        ("user.traits.in == 1", "12: found '.in': a field of that name is written ['in']"),
        ("user.traits.tier == gold", "21: unknown name 'gold': expected one of 'attr', 'entry', 'event', 'journey', 'now', 'steps', 'user', or a text in quotes"),
        ("properties.total > 5", "1: unknown name 'properties': did you mean 'event.properties'?"),
        ("traits.tier == 'x'", "1: unknown name 'traits': did you mean 'user.traits'?"),
        ("event.total > 5", "7: 'event' has no field 'total': did you mean 'event.properties.total'?"),
        ("event.name == 'x'", "7: 'event' has no field 'name': did you mean 'event.event'?"),
        ("user.email == 'x'", "6: 'user' has no field 'email': did you mean 'user.traits.email'?"),
        ("len(user.id) > 1", "1: unknown function 'len': expected size(x)"),
        ("default(user.traits.a, 1) == 1", "1: unknown function 'default': expected has(x) ? x : y"),
        ("now > birthday(user.traits.born)", "7: unknown function 'birthday': expected next_anniversary(date, zone)"),
        ("user.id.toLowerCase() == 'x'", "9: unknown function 'toLowerCase': expected x.lower()"),
        ("now() > event.timestamp", "1: 'now' is not a function: write it without '()'"),
        ("event.properties.l.any(x, x)", "24: unknown name 'x': instead of 'any' write list.exists(x, ...)"),
        ("event.properties.l.exists(x)", "27: unknown name 'x': 'exists' takes a name and what to do: list.exists(x, x > 3)"),
        ("has(user)", "5: 'has' takes a field: has(event.properties.x)"),
        ("if (true) true", "1: 'if' is a reserved word of CEL: expected condition ? one : other"),
        ("event.event == 5", "13: '==' doesn't take text and int: write string(x), or int(x) where the text is a number"),
        ("size(user.id) + 1.5 > 2.0", "15: '+' doesn't take int and double: int and double don't mix, write double(x)"),
        ("now > '2026-01-01'", "5: '>' doesn't take a time and text: write timestamp('2026-03-01T09:00:00Z')"),
        ("now - event.timestamp > 5", "23: '>' doesn't take a duration and int: write duration('90m')"),
        ("['b'] == 'x'", "7: '==' doesn't take a list of text and text: write 'a' in list"),
        ("'x' in user.id", "5: 'in' doesn't take text and text: write text.contains('...')"),
        ("1 <= size(user.id) <= 3", "20: '<=' doesn't take bool and int: write a < x && x < b"),
        ("user.id == 'a' || 'b'", "16: '||' doesn't take bool and text: both sides are true or false, as in x == 'a' || x == 'b'"),
        ("user.id == null", "9: '==' doesn't take text and null: it is never null: test whether it exists with has(...)"),
        ("now.year == 2026", "4: found a field of a time, which has no fields: write getFullYear(), getHours() and so on"),
        ("user.id", "1: the condition is text, expected true or false"),
        ("attr.x == 1", "1: 'attr' has no value yet in the entry"),
    ],
)  # fmt: skip
def test_a_condition_is_reported_in_words_at_its_place(condition: str, message: str) -> None:
    column, words = message.split(": ", 1)
    text = "kind: Journey\nname: tour\nnodes: {done: {type: exit}}\nentry:\n  event: start\n"
    place = f"7:{int(column) + 4}"
    assert one(f"{text}  where: |\n    {condition}\n") == f"{place}: 'where' in the entry: {words}"


@pytest.mark.parametrize(
    ("key", "found"),
    [("'1.5'", "double"), ("'[1]'", "a list of int"), ("now", "a time"), ("'null'", "null")],
)
def test_what_can_not_be_a_key_is_refused(key: str, found: str) -> None:
    message = f"'key' in the entry: the value is {found}, expected text, int or bool"
    assert message in one(entry(f"event: a, key: {key}"))


# --- Names ---------------------------------------------------------------------------------------

TRIGGER = """\
kind: Journey
name: tour
entry: {event: start, key: event.properties.k}
exit: [{event: bye, where: steps.ask.response.code == 200}]
goal: {event: won, match: attr.label}
nodes:
  ask: {type: trigger, destination: mailer, response: {code: status_code}, on_error: wait}
  tell: {type: delay, for: 1h, set: {a: '${steps.ask.response.cod}', b: '${steps.ask.status}'}}
  wait: {type: wait_for_event, event: x, within: 1h, next: met, on_timeout: missed}
  met: {type: delay, for: 1h, set: {c: '${steps.wait.event.event}'}, next: choose}
  missed: {type: delay, for: 1h, set: {d: '${steps.wait.event.event}'}}
  choose:
    type: criteria
    branches:
      - {when: user.traits.a == 1, next: one, set: {label: 1}}
      - {when: user.traits.a == 2, next: two}
    otherwise: two
  one: {type: exit, reason: one}
  two: {type: delay, for: 1h, set: {e: '${attr.label}'}}
---
"""


def test_a_name_without_a_value_is_reported_by_the_ways_that_lead_there() -> None:
    # Only the first branch sets the label, and only the event, not the time-out, is captured.
    assert told(TRIGGER + MAILER + "---\nkind: Lifecycle\nname: tuor\nstatus: paused\n") == [
        "4:28: 'where' in 'exit[0]' of Journey 'tour': 'steps' can't be read in a global exit: "
        "expected event, entry, user, journey or now",
        "5:27: 'match' in 'goal' of Journey 'tour': 'attr' can't be read in the goal: "
        "expected event, entry, user, journey or now",
        "8:63: 'a' in 'set' of node 'tell' (delay): node 'ask' extracts no 'cod' from its response: "
        "did you mean 'code'?",
        "8:86: 'b' in 'set' of node 'tell' (delay): node 'ask' captures no 'status': "
        "expected 'response'",
        "11:52: 'd' in 'set' of node 'missed' (delay): node 'wait' is on no way to 'missed', "
        "so it has no value there",
        "19:48: 'e' in 'set' of node 'two' (delay): no node on the way to 'two' sets 'label'",
        "27:7: 'name' in Lifecycle 'tuor': 'tuor' is not a journey: did you mean 'tour'?",
    ]


def test_a_type_that_is_no_text_is_reported_once_and_not_shown_where_the_node_is_named() -> None:
    nodes = "  a: {type: {b: 1}}\n  n: {type: delay, until: steps.a.event.timestamp}\n"
    assert [message.split(": ", 1)[1] for message in told(HEAD + nodes)] == [
        "unknown node type a mapping in node 'a': expected one of 'criteria', 'delay', "
        "'destination', 'digest', 'emit_event', 'exit', 'experiment', 'parallel', 'trigger', "
        "'update_profile', 'wait_for_event'",
    ]


def test_a_message_is_bounded_however_long_the_authors_words_are() -> None:
    (message,) = told(entry(f"event: a, where: {'x' * 5_000} == 1"))
    assert len(message) < 1_100
    assert message.endswith("...")


# --- values beyond a limit -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("type: digest, every: 1h, max: 1001", "'max' in node 'n' (digest): found 1001 (integer), expected a number of at most 1,000"),
        ("type: digest, every: 1h, max: 0", "'max' in node 'n' (digest): found 0 (integer), expected a number of at least 1"),
        ("type: delay, for: P1Y2M", f"'for' in node 'n' (delay): found 'P1Y2M', expected a duration such as 90s, 15m, 1h, 2d, 1w or P1DT2H: {CALENDAR}"),
    ],
)  # fmt: skip
def test_a_value_beyond_a_limit_says_the_limit(fields: str, message: str) -> None:
    assert one(node(fields)).split(": ", 1)[1] == message


def test_what_a_node_of_an_unknown_type_captures_is_not_a_second_mistake() -> None:
    text = node("type: dijest, every: 1h") + (
        "  u: {type: update_profile, traits: {a: '${steps.n.count}'}}\n"
    )
    assert [message for message in told(text) if "captures" in message] == []
    assert "unknown node type 'dijest' in node 'n': did you mean 'digest'?" in told(text)[0]


# --- keys at the wrong level ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ("type: wait_for_event, event: x, within: 1h, reset: true", "unknown key 'reset' in node 'n' (wait_for_event): expected in 'any_of'"),
        ("type: delay, between: ['09:00', '18:00']", "unknown key 'between' in node 'n' (delay): expected in 'until_local'"),
        ("type: criteria, when: 'true', otherwise: e", "unknown key 'when' in node 'n' (criteria): expected in 'branches'"),
        ("type: delay, until_local: {time: '09:00', weekdays: mon-fri}", "found 'mon-fri', expected a list: did you mean '[mon-fri]'?"),
        ("type: delay, until_local: {time: '09:00', weekdays: workdays}", "found 'workdays', expected a list"),
    ],
)  # fmt: skip
def test_a_key_at_the_wrong_level_says_where_it_belongs(fields: str, end: str) -> None:
    assert told(node(fields))[0].endswith(end)


def test_a_label_without_a_valid_character_is_not_likely_to_mean_another() -> None:
    assert not told(node("type: delay, for: 1h, set: {ä: 1}"))[0].endswith("?")
    assert told(node("type: delay, for: 1h, set: {a-ä: 1}"))[0].endswith("did you mean 'a_'?")

"""A drawing shows every node and every way of a journey, whatever its node types are."""

from __future__ import annotations

import re

from journeys.views.drawing import draw, drawing_of
from tests.journeys.builders import journey

TOUR = """
wait:
  type: wait_for_event
  any_of:
    - {event: answer, where: event.properties.n > 1, next: split}
    - {event: other}
  within: 90m
  on_timeout: end
choose:
  type: criteria
  branches:
    - {when: 'user.traits.tier == "gold"', next: mail, set: {offer: vip}}
    - {when: 'true'}
  otherwise: end
split:
  type: experiment
  variants: {email: {weight: 50, next: mail}, control: {weight: 12.5, next: end}}
mail: {type: destination, destination: mailer, payload: {to: '${user.id}'}, on_error: end}
pause: {type: delay, for: 36h}
end: {type: exit, reason: over}
"""


def test_every_way_is_an_arrow_with_what_it_is_taken_for() -> None:
    drawn = drawing_of(journey(TOUR, entry="event: start, where: event.properties.n > 0"))
    assert [tuple(arrow) for arrow in drawn.arrows] == [
        (":entry", "wait", ""),
        ("wait", "split", "event answer, where event.properties.n > 1"),
        ("wait", "end", "on_timeout"),
        ("wait", "choose", "event other"),
        ("choose", "mail", 'when user.traits.tier == "gold"'),
        ("choose", "end", "otherwise"),
        ("choose", "split", "when true"),
        ("split", "mail", "email, weight 50"),
        ("split", "end", "control, weight 12.5"),
        ("mail", "end", "on_error"),
        ("mail", "pause", ""),
        ("pause", "end", ""),
    ]


def test_every_node_is_a_box_with_its_type_and_its_fields() -> None:
    drawn = drawing_of(journey(TOUR, entry="event: start, where: event.properties.n > 0"))
    assert [(box.lines, box.shape) for box in drawn.boxes] == [
        (["entry", "event: start", "where: event.properties.n > 0"], "end"),
        (["wait", "wait_for_event", "within: 90m"], "wait"),
        (["choose", "criteria"], "step"),
        (["split", "experiment"], "step"),
        (["mail", "destination", "destination: mailer"], "step"),
        (["pause", "delay", "for: 36h"], "wait"),
        (["end", "exit", "reason: over"], "end"),
    ]


def test_rules_that_apply_at_every_node_have_boxes_without_arrows() -> None:
    more = """
goal: {event: bought, match: none, within: 1w, exit: true}
exit:
  - {event: closed}
  - {event: cancelled, match: event.properties.id, reason: over}
"""
    drawn = drawing_of(journey("exit: {type: exit}", more=more))
    assert [tuple(box) for box in drawn.boxes[1:]] == [
        (":goal", ["goal", "event: bought", "match: none", "within: 1w", "exit: true"], "end"),
        (
            ":exit",
            ["exit", "event closed", "event cancelled, match event.properties.id, reason over"],
            "end",
        ),
        ("exit", ["exit", "exit"], "end"),
    ]
    assert [tuple(arrow) for arrow in drawn.arrows] == [(":entry", "exit", "")]


def test_a_time_of_day_is_drawn_with_its_days() -> None:
    text = (
        "rest: {type: delay, until_local: {time: '09:00', weekdays: [sat-sun], timezone: journey}}"
    )
    assert drawing_of(journey(text)).boxes[1].lines == [
        "rest", "delay", "until_local: time 09:00, weekdays sat sun, timezone journey"
    ]  # fmt: skip


def test_each_event_of_the_entry_is_drawn_with_its_condition() -> None:
    entry = "any_of: [{event: a, where: event.properties.n > 1}, {event: b}]"
    assert drawing_of(journey("end: {type: exit}", entry=entry)).boxes[0].lines == [
        "entry", "event: a, where event.properties.n > 1", "event: b"
    ]  # fmt: skip


def test_past_the_last_node_is_the_end() -> None:
    drawn = drawing_of(journey("pause: {type: delay, for: 1h}"))
    assert drawn.arrows[-1] == ("pause", ":end", "")
    assert drawn.boxes[-1].lines == ["end"]


def test_nodes_may_be_called_entry_and_end() -> None:
    drawn = drawing_of(journey("entry: {type: delay, for: 1h}\nend: {type: delay, for: 1h}"))
    assert [tuple(arrow) for arrow in drawn.arrows] == [
        (":entry", "entry", ""),
        ("entry", "end", ""),
        ("end", ":end", ""),
    ]


def test_a_wait_whose_ways_are_all_named_has_no_other() -> None:
    text = """
    wait: {type: wait_for_event, any_of: [{event: a, next: done}], within: 1h, on_timeout: done}
    late: {type: exit}
    done: {type: exit}
    """
    drawn = drawing_of(journey(text)).arrows
    assert [one.label for one in drawn if one.source == "wait"] == ["event a", "on_timeout"]
    assert "late" not in {one.target for one in drawn}


def test_what_moves_no_instance_stands_in_the_box() -> None:
    text = """
    wait:
      type: wait_for_event
      any_of: [{event: a, reset: true}, {event: b, next: done}]
      within: 1h
    digest:
      type: digest
      any_of: [{event: a}, {event: b, where: event.properties.n > 1}]
      every: 1h
    done: {type: exit}
    """
    drawn = drawing_of(journey(text))
    wait, digest = drawn.boxes[1:3]
    assert wait.lines == ["wait", "wait_for_event", "event: a, reset true", "within: 1h"]
    assert digest.lines[2:4] == ["event: a", "event: b, where event.properties.n > 1"]
    assert [tuple(one) for one in drawn.arrows if one.source == "wait"] == [
        ("wait", "done", "event b"),
        ("wait", "digest", ""),
    ]


def test_the_way_past_branches_says_when_it_is_taken() -> None:
    for join, label in (("all", "all have ended"), ("any", "the first has ended")):
        text = f"""
        fork: {{type: parallel, branches: {{one: a}}, join: {join}, next: done}}
        a: {{type: delay, for: 1h, next: done}}
        done: {{type: exit}}
        """
        drawn = drawing_of(journey(text)).arrows
        assert [one.label for one in drawn if one.source == "fork"] == ["one", label]


def test_a_list_is_drawn_with_the_words_between_its_values() -> None:
    text = """
    hours: {type: delay, until_local: {between: ["09:00", "18:00"]}}
    choose:
      type: criteria
      branches: [{any_of: [user.traits.a == 1, user.traits.b == 1], next: done}]
      otherwise: done
    done: {type: exit}
    """
    drawn = drawing_of(journey(text))
    assert drawn.boxes[1].lines[2] == "until_local: between 09:00 and 18:00"
    assert "any_of user.traits.a == 1 or user.traits.b == 1" in [one.label for one in drawn.arrows]


def test_a_wait_without_on_timeout_goes_on_below() -> None:
    text = """
    wait: {type: wait_for_event, any_of: [{event: a, next: done}], within: 1h}
    late: {type: exit}
    done: {type: exit}
    """
    assert ("wait", "late", "") in drawing_of(journey(text)).arrows


def test_a_long_value_is_cut() -> None:
    when = "true && " * 20 + "true"
    text = f"choose: {{type: criteria, branches: [{{when: {when}}}], otherwise: done}}"
    (label,) = [
        one.label
        for one in drawing_of(journey(text + "\ndone: {type: exit}")).arrows
        if "when" in one.label
    ]
    assert label.endswith("…")
    assert len(label) == len("when ") + 60


def test_mermaid_has_no_sign_of_its_own_inside_a_label() -> None:
    drawn = draw(journey(TOUR), "mermaid").splitlines()
    assert drawn[:4] == ["---", "title: tour", "---", "flowchart TD"]
    for line in drawn[4:]:
        assert re.fullmatch(
            r'  n\d+((\[|\{\{|\(\[)"[^"]*"(\]|\}\}|\]\))| -->(\|"[^"]+"\|)? n\d+)', line
        ), line
    assert '  n2 -->|"when user.traits.tier == #34;gold#34;"| n4' in drawn
    assert '  n6(["end<br/>exit<br/>reason: over"])' in drawn


def test_dot_quotes_what_it_must() -> None:
    drawn = draw(journey(TOUR), "dot")
    assert drawn.startswith('digraph "tour" {\n')
    assert drawn.endswith("}\n")
    assert '  "choose" -> "mail" [label="when user.traits.tier == \\"gold\\""];\n' in drawn
    assert '  "wait" [shape=hexagon, label="wait\\nwait_for_event\\nwithin: 90m"];\n' in drawn

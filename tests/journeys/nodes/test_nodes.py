"""What nodes do with expressions: labels, branches, payloads."""

from __future__ import annotations

import pytest

from tests.journeys.builders import KEYED, World, iso, journey


def test_set_writes_labels_that_nodes_downstream_read() -> None:
    world = World(
        journey("""
        pick:
          type: criteria
          set: {a: 1, b: 1}
          branches: [{when: 'true', set: {b: '${attr.a + 1}'}}]
          otherwise: send
        send: {type: destination, destination: d, payload: '${attr}'}
        """)
    )
    world.event()
    assert world.actions()[0].payload == {"a": 1, "b": 2}


def test_a_failing_criteria_is_false_and_reported() -> None:
    world = World(
        journey(
            """
        pick:
          type: criteria
          branches: [{when: event.properties.x > 1, next: yes}]
          otherwise: no
        "yes": {type: exit, reason: y}
        "no": {type: exit, reason: n}
        """.replace("next: yes", "next: 'yes'").replace("otherwise: no", "otherwise: 'no'")
        )
    )
    world.event()
    assert [one.type for one in world.told()] == [
        "journey.entered",
        "node.reached",
        "expression.failed",
        "criteria.matched",
        "node.reached",
        "journey.exited",
    ]
    assert world.told("journey.exited")[0].detail == {"reason": "n"}


@pytest.mark.parametrize(("on_error", "reason"), [(", on_error: failed", "failed"), ("", "went")])
def test_a_payload_that_fails_is_skipped_and_reported_and_the_instance_continues(
    on_error: str, reason: str
) -> None:
    nodes = f"""
    send: {{type: destination, destination: d, payload: {{x: '${{event.properties.x}}'}}{on_error}}}
    went: {{type: exit, reason: went}}
    failed: {{type: exit, reason: failed}}
    """
    world = World(journey(nodes))
    world.event()
    assert world.actions() == []
    assert world.story()[2:4] == ["expression.failed send", "action.skipped send payload_failed"]
    assert world.told("journey.exited")[0].detail == {"reason": reason}


def test_a_payload_over_256_kb_is_skipped_as_too_large() -> None:
    nodes = "send: {type: destination, destination: d, payload: '${event.properties.x}'}"
    world = World(journey(nodes))
    world.event(properties={"x": "x" * (256 * 1024 - 2)})
    world.event(properties={"x": "x" * (256 * 1024 - 1)})
    assert len(world.actions()) == 1
    assert world.story("action.skipped") == ["action.skipped send too_large"]


def test_an_action_says_all_that_its_destination_needs() -> None:
    nodes = """
    send:
      type: destination
      destination: mailer
      action: send_template
      event_name: Checkout Abandoned
      payload: {key: '${journey.key}'}
    """
    world = World(journey(nodes, entry=KEYED))
    world.event(properties={"k": 5})
    (action,) = world.actions()
    entered = world.told("journey.entered")[0]
    assert (action.destination, action.action, action.event_name, action.send_key) == (
        "mailer",
        "send_template",
        "Checkout Abandoned",
        "tour/send",
    )
    assert (action.user_id, action.journey, action.version, action.instance, action.key) == (
        "u",
        "tour",
        "v1",
        entered.instance,
        "5",
    )
    assert (action.node, action.at, action.payload) == ("send", iso(0), {"key": "5"})


def test_a_journey_ends_after_its_last_node() -> None:
    world = World(journey("pause: {type: delay, for: 1h}"))
    world.event()
    world.clock("end")
    assert world.story("journey.exited") == ["journey.exited end +3600s"]

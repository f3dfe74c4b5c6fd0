"""What every node type keeps, whatever it does. A new type is finished when it passes."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from journeys.nodes import Node
from journeys.nodes.base import ForwardNode, NodeModel
from journeys.records.outcome import OUTCOME_TYPES
from journeys.records.user_record import decode, encode
from journeys.schema.fields import Holds
from journeys.schema.marks import marked
from journeys.schema.signals import trait_of
from journeys.simulation.canned_responses import Canned, CannedResponseQueue
from journeys.views.docstrings import field_texts
from tests.journeys.builders import DAY, HOUR, World, journey

MODELS: tuple[type[NodeModel], ...] = get_args(get_args(Node)[0])
EXAMPLES = {
    f"{type}-{number}": text
    for model in MODELS
    for type in get_args(model.model_fields["type"].annotation)
    for number, text in enumerate(model.examples, 1)
}
"""What the file of each type gives."""

AROUND = """
first: {{type: criteria, branches: [{{when: 'true', set: {{a: 1}}}}], otherwise: left}}
tested: {tested}
left: {{type: exit, reason: left}}
right: {{type: exit, reason: right}}
"""

ADAPTER: TypeAdapter[Any] = TypeAdapter(Node)
every_type = pytest.mark.parametrize("type", EXAMPLES)


def fields_of(type: str) -> dict[str, Any]:
    """An example of a type as plain data."""
    return {"type": type.rpartition("-")[0], **yaml.safe_load(EXAMPLES[type])}


def _node(type: str) -> NodeModel:
    node = ADAPTER.validate_python(fields_of(type), by_alias=True, by_name=False)
    assert isinstance(node, NodeModel)
    return node


def _world(type: str) -> World:
    nodes = AROUND.format(
        tested=yaml.safe_dump(fields_of(type), default_flow_style=True, width=10**6)
    )
    return World(journey(nodes, entry="event: start, key: event.properties.k"))


def _live(type: str, n: Any = 5) -> World:
    """A user who has passed the node, or waits at it."""
    world = _world(type)
    world.event(properties={"k": "k", "n": n, "unread": "x" * 100})
    return world


def test_every_type_has_an_example() -> None:
    assert [model for model in MODELS if not model.examples] == []


@every_type
def test_a_node_refuses_what_it_does_not_know(type: str) -> None:
    with pytest.raises(ValidationError, match="extra"):
        ADAPTER.validate_python({**fields_of(type), "nxt": "left"}, by_alias=True, by_name=False)


@every_type
def test_every_field_says_below_it_what_it_means(type: str) -> None:
    model = _node(type).__class__
    assert model.model_fields.keys() <= field_texts(model).keys()


@every_type
def test_a_node_is_frozen(type: str) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        _node(type).type = "exit"  # type: ignore[attr-defined]


@every_type
def test_targets_are_all_the_nodes_that_the_document_names(type: str) -> None:
    def named(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [name for item in value.values() for name in named(item)]
        if isinstance(value, list):
            return [name for item in value for name in named(item)]
        return [value] if value in ("left", "right") else []

    node = _node(type)
    assert sorted(target.node for target in node.targets()) == sorted(named(fields_of(type)))
    for target in node.targets():
        at: Any = fields_of(type)
        for step in target.path:
            at = at[step]
        assert at == target.node


@every_type
def test_expressions_are_found_with_the_place_where_they_stand(type: str) -> None:
    def texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for item in value.values() for text in texts(item)]
        if isinstance(value, list):
            return [text for item in value for text in texts(item)]
        return [value] if isinstance(value, str) and ("event." in value or "${" in value) else []

    found = [value for _, value, _ in marked(_node(type), Holds)]
    assert sorted(texts(found)) == sorted(texts(fields_of(type)))


@every_type
def test_only_a_blocking_node_keeps_an_instance_and_it_leaves_in_time(type: str) -> None:
    world = _live(type)
    stays = [one for one in world.record().instances if one.node == "tested"]
    assert bool(stays) == _node(type).blocking
    world.clock("end")
    assert world.record().instances == ()
    assert len(world.told("journey.exited")) == 1


@every_type
def test_a_node_goes_only_where_it_says_it_can(type: str) -> None:
    allowed = {target.node for target in _node(type).targets()}
    for n in (-1, 0, 1, 5, "text", None):
        for answer in ("answer", "other", "none"):
            world = _live(type, n)
            world.event(answer, at=HOUR, properties={"k": "k", "n": n})
            world.clock("end")
            reached = [one.node for one in world.told("node.reached")]
            after = reached[reached.index("tested") + 1 :]
            assert set(after) <= allowed
            assert world.effects.dead == []


@every_type
def test_reaching_a_node_is_reported_and_other_nodes_are_not(type: str) -> None:
    world = _live(type)
    tested = [one for one in world.told() if one.node == "tested"]
    assert tested[0].type == "node.reached"
    for one in tested:
        assert (one.user_id, one.journey, one.version, one.key) == ("u", "tour", "v1", "k")
        assert one.instance is not None


@every_type
def test_a_node_reports_only_known_types_of_outcomes(type: str) -> None:
    for answer in ("answer", "other"):
        world = _live(type)
        world.event(answer, at=HOUR, properties={"k": "k", "n": 5})
        world.clock("end")
        assert {one.type for one in world.told()} <= OUTCOME_TYPES


@every_type
def test_ids_of_outcomes_and_actions_are_never_used_twice(type: str) -> None:
    world = _live(type)
    for n in (9, 5):
        world.event("answer", at=HOUR, properties={"k": "k", "n": n})
    world.event(at=DAY, properties={"k": "k"})
    world.clock("end")
    ids = [one.outcome_id for one in world.told()] + [one.action_id for one in world.actions()]
    assert len(ids) == len(set(ids))


@every_type
def test_an_instance_that_stays_keeps_all_that_is_read_later_and_no_more(type: str) -> None:
    """It reports the same with the kept context as with all of it."""
    world = _live(type)
    for one in world.record().instances:
        assert "unread" not in str(one.context)
    wire = {user: encode(record) for user, record in world.records.records.items()}
    for user, data in wire.items():
        world.records.put(user, decode(data))
    world.event("answer", at=HOUR, properties={"k": "k", "n": 5})
    world.clock("end")
    assert world.told("expression.failed") == []


@every_type
def test_an_awaited_event_is_one_the_node_names_and_only_blocking_nodes_await(type: str) -> None:
    node = _node(type)
    assert {one for one in node.awaits() if trait_of(one) is None} <= {"answer", "other"}
    assert node.blocking or not node.awaits()


@every_type
def test_where_next_can_be_taken_the_node_says_so(type: str) -> None:
    node = _node(type)
    assert not node.falls_through or isinstance(node, ForwardNode)


@every_type
def test_a_label_it_captures_can_be_read_downstream(type: str) -> None:
    for label in _node(type).captures:
        nodes = AROUND.format(
            tested=yaml.safe_dump(
                {**fields_of(type), "set": {"seen": f"${{steps.tested.{label}}}"}},
                default_flow_style=True,
                width=10**6,
            )
        )
        answers = CannedResponseQueue([Canned(after="1m")])
        entry = "event: start, key: event.properties.k"
        world = World(journey(nodes, entry=entry), responses=answers)
        world.event(properties={"k": "k", "n": 5})
        world.event("answer", at=HOUR, properties={"k": "k", "n": 5})
        world.clock("end")
        assert world.told("expression.failed") == []

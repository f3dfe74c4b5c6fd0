"""Mistakes in the ways through a journey: where none leads, or round, and what is known there."""

from __future__ import annotations

import time

import pytest

from journeys.nodes import Node
from journeys.schema.annotations import tags_of
from tests.journeys.reported import HEAD, MAILER, told


@pytest.mark.parametrize(
    ("nodes", "problems"),
    [
        (
            "  a: {type: delay, for: 1s, next: c}\n"
            "  b: {type: delay, for: 1s}\n"
            "  c: {type: exit}\n",
            ["6:3: node 'b' (delay) can't be reached: no node leads to it"],
        ),
        (
            "  c: {type: criteria, branches: [{when: 'true'}], otherwise: a}\n"
            "  a: {type: destination, destination: mailer, payload: 1}\n"
            "  b: {type: destination, destination: mailer, payload: 1, next: a}\n",
            [
                "6:3: the nodes a -> b -> a form a cycle without a wait: "
                "expected a delay, a wait_for_event or a digest among them"
            ],
        ),
        (
            "  a: {type: criteria, branches: [{when: 'true', next: a}], otherwise: b}\n"
            "  b: {type: exit}\n",
            [
                "5:3: the nodes a -> a form a cycle without a wait: "
                "expected a delay, a wait_for_event or a digest among them"
            ],
        ),
        (
            "  a: {type: destination, destination: mailer, payload: 1}\n"
            "  b: {type: delay, for: 1s, next: a}\n",
            [],
        ),
        (
            "  a: {type: exit}\n  B: {type: delay, for: 1s}\n",
            [
                "6:3: 'B' in 'nodes' of Journey 'tour' is not a valid name: expected a name of "
                "a-z, 0-9, '_' and '-', at most 63 characters, the first a letter or digit: "
                "did you mean 'b'?",
                "6:3: node 'B' (delay) can't be reached: no node leads to it",
            ],
        ),
        ("  a:\n", ["5:5: node 'a': found nothing, expected a mapping with 'type'"]),
        (
            "  a: {next: a}\n",
            [
                "5:3: 'type' is missing in node 'a': expected one of "
                + ", ".join(f"'{type}'" for type in tags_of(Node))
            ],
        ),
    ],
)
def test_the_ways_through_a_journey(nodes: str, problems: list[str]) -> None:
    assert told(HEAD + nodes + MAILER) == [f"tour.yaml:{problem}" for problem in problems]


def test_a_node_may_use_what_it_captured_in_its_own_set() -> None:
    wait = "  w: {type: wait_for_event, event: x, within: 1h, set: {y: '${steps.w.event.event}'}}\n"
    assert told(HEAD + wait + "  d: {type: exit}\n") == []


def test_a_label_must_be_set_on_the_way() -> None:
    nodes = (
        "  a: {type: destination, destination: mailer, payload: '${attr.x}'}\n"
        "  b: {type: destination, destination: mailer, payload: 1, set: {x: 1}}\n"
        "  c: {type: destination, destination: mailer, payload: '${attr.x}'}\n"
    )
    assert told(HEAD + nodes + MAILER) == [
        "tour.yaml:5:64: 'payload' in node 'a' (destination): no node on the way to 'a' sets 'x'"
    ]


def test_a_typo_in_next_does_not_call_the_node_unreachable() -> None:
    text = HEAD + "  a: {type: delay, for: 1s, next: finnish}\n  finish: {type: exit}\n"
    assert told(text) == [
        "tour.yaml:5:35: 'next' in node 'a' (delay): 'finnish' is not a node: "
        "did you mean 'finish'?"
    ]


def test_many_parallel_nodes_are_checked_in_time_that_grows_with_the_document() -> None:
    def nodes(count: int) -> str:
        found = []
        for fork in range(count):
            ends = [f"n{fork}-{branch}" for branch in range(32)]
            branches = ", ".join(f"b{at}: {end}" for at, end in enumerate(ends))
            after = f"p{fork + 1}"
            found.append(
                f"  p{fork}: {{type: parallel, join: any, branches: {{{branches}}}, next: {after}}}"
            )
            found += [f"  {end}: {{type: delay, for: 1h, next: {after}}}" for end in ends]
        return "\n".join([*found, f"  p{count}: {{type: exit}}\n"])

    began = time.process_time()
    assert told(HEAD + nodes(200)) == []
    assert time.process_time() - began < 10

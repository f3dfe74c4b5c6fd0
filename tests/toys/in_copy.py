"""What runs inside the copy, as a process of its own: `python -m tests.toys.in_copy WHAT URL`."""

from __future__ import annotations

import json
import os
import sys
from types import SimpleNamespace
from typing import Any

import journeys.nodes.compose
from agents.destinations.chat import ChatDestination
from journeys.documents.contact import Contact

from agents.kinds import KINDS
from journeys.catalog.catalog import Accepted, Catalog, Rejected, check_push
from journeys.catalog.diff import plan
from tests.pipeline.stack import stack, wait_until
from tests.toys.copied import DOCUMENTS, EVENT

assert journeys.nodes.compose.__file__.startswith(os.getcwd()), "this is not the copy"


def changes(text: str, catalog: Catalog) -> list[tuple[str, str, str, list[Any]]]:
    found = plan(text, "push.yaml", catalog)
    assert not isinstance(found, Rejected), found
    return [
        (
            one.kind,
            one.name,
            one.change,
            [[*map(str, field.path), field.after] for field in one.fields],
        )
        for one in found
    ]


def catalog(url: str) -> None:
    """Push, records, catalog; then what later pushes would change, and what they may not."""
    text = DOCUMENTS.format(url=url)
    verdict = check_push(text, "push.yaml", Catalog(KINDS))
    assert isinstance(verdict, Accepted), verdict
    keys = [key for key, _ in verdict.entries]
    assert keys[:2] == ["Destination/team", "Contact/team-lead"]
    after = Catalog(KINDS)
    for key, value in verdict.entries:
        after = after.with_entry(key, value)
    assert isinstance(after.documents["Contact"]["team-lead"], Contact)
    assert isinstance(after.destinations["team"], ChatDestination)
    again = check_push(text, "push.yaml", after)
    assert isinstance(again, Accepted)
    assert again.entries == []
    assert changes(text, after) == [
        ("Destination", "team", "unchanged", []),
        ("Contact", "team-lead", "unchanged", []),
        ("Journey", "greet", "unchanged", []),
    ]
    greeting = ["nodes", "hello", "text", "Hi ${event.properties.name}"]
    other = text.replace("lead@", "head@").replace("/room/", "/hall/").replace("Hello", "Hi")
    assert changes(other, after) == [
        ("Destination", "team", "changed", [["url", f"{url}/hall/${{user.id}}"]]),
        ("Contact", "team-lead", "changed", [["email", "head@example.com"]]),
        (
            "Journey",
            "greet",
            "changed",
            [greeting],
        ),
    ]
    archived = text.split("---")[0] + "status: archived\n"
    refused = check_push(archived, "push.yaml", after)
    assert isinstance(refused, Rejected)
    assert "the contact 'team-lead' still needs it" in refused.problems[0].message


def end_to_end(url: str) -> None:
    """Real workers: the push is accepted, a user goes through, the chat is called."""
    kafka: Any = SimpleNamespace(bootstrap=os.environ["JOURNEYS_BROKER"])
    roles = {"register": 1, "evaluate": 1, "deliver": 1}
    secrets = {"JOURNEYS_SECRET_TOKEN": "t0p", "JOURNEYS_ALLOW_HOSTS": "127.0.0.1"}
    with stack(kafka, roles, ready=False, **secrets) as made:
        verdicts = made.apply(DOCUMENTS.format(url=url))
        assert {one["type"] for one in verdicts} == {"config.accepted"}, verdicts
        accepted = {(one["detail"]["kind"], one["journey"]) for one in verdicts}
        assert accepted == {("Destination", None), ("Contact", None), ("Journey", "greet")}
        made.send(EVENT)
        made.flush()
        delivered = wait_until(
            lambda: [one for one in made.outcomes() if one["type"] == "action.delivered"]
        )
    print(json.dumps(delivered))


if __name__ == "__main__":
    {"catalog": catalog, "end_to_end": end_to_end}[sys.argv[1]](sys.argv[2])

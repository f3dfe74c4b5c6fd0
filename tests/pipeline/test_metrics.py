"""The metrics of real workers of all roles, scraped while they work."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from agents.kafka.embedded.broker import EmbeddedKafka
from agents.metrics import CATALOGUE
from tests.agents.delivery.receiver import Receiver, Reply
from tests.pipeline.stack import Stack, stack, wait_until
from tests.scraped import Values, values_of

# Nothing waits here, and no keys are set.
NOT_HERE = {"journeys_next_due_timestamp_seconds", "journeys_unsigned_records_total"}

DOCUMENTS = """
kind: Destination
name: mailer
type: http
url: {url}/mail
---
kind: Journey
name: welcome
entry: {{event: signed_up}}
nodes:
  mail: {{type: destination, destination: mailer, payload: {{to: "${{user.id}}"}}}}
---
kind: Journey
name: large
entry: {{event: bought, where: int(event.properties.amount) > 10}}
nodes:
  end: {{type: exit}}
"""


def scrape(installation: Stack, role: str) -> Values:
    """The samples of a role's worker: the address is what it printed last."""
    said = [
        line for line in installation.lines if line.startswith(f"{role}-0") and "/ready" in line
    ]
    url = said[-1].split()[-1].replace("/ready", "/metrics")
    return values_of(httpx.get(url, timeout=5, trust_env=False).text)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver(Reply(400)) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def installation(kafka: EmbeddedKafka, receiver: Receiver) -> Iterator[Stack]:
    roles = {"register": 1, "evaluate": 1, "deliver": 1}
    with stack(kafka, roles, JOURNEYS_ALLOW_HOSTS=receiver.host) as made:
        verdicts = made.apply(DOCUMENTS.format(url=receiver.url))
        assert {one["type"] for one in verdicts} == {"config.accepted"}
        yield made


@pytest.mark.slow
def test_what_the_roles_count_is_on_their_pages(installation: Stack) -> None:
    for _ in range(3):
        installation.send({"event": "signed_up", "userId": "anna", "messageId": "m1"})
    for name in ("ben", "carl"):
        installation.send({"event": "bought", "userId": name, "properties": {"amount": "much"}})
    installation.flush()
    wait_until(lambda: [one for one in installation.outcomes() if one["type"] == "action.failed"])
    installation.wait_applied()

    evaluate = scrape(installation, "evaluate")
    assert evaluate["journeys_unreported_total", ("event.repeated",)] == 2
    assert evaluate["journeys_unreported_total", ("entry.failed",)] == 2
    assert evaluate["journeys_catalog_offset", ()] == 1
    assert evaluate["journeys_sent_records_total", ("journeys.actions.mailer",)] == 1
    assert evaluate["journeys_partitions_owned", ("journeys.events",)] == 4

    deliver = scrape(installation, "deliver")
    assert deliver["journeys_call_results_total", ("mailer", "final")] == 1
    assert deliver["journeys_call_seconds_total", ("mailer",)] > 0
    assert deliver["journeys_dead_letters_total", ("deliver", "refused")] == 1
    assert deliver["journeys_deliveries_outstanding", ("mailer",)] == 0
    assert deliver["journeys_circuit_open", ("mailer",)] == 0

    register = scrape(installation, "register")
    assert register["journeys_inputs_applied_total", ("journeys.config", "0")] == 1

    shown = {name for values in (evaluate, deliver, register) for name, _ in values}
    for one in CATALOGUE:
        name = f"{one.name}_count" if one.type == "histogram" else one.name
        assert name in shown or one.name in NOT_HERE, one.name

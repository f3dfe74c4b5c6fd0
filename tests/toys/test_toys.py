"""A type of each family is one file and one line: the checks, the catalog, the commands and the
workers take the toys of docs/extending.md as their own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.kafka.embedded.broker import EmbeddedKafka
from agents.sources.base import Reader
from tests.agents.delivery.receiver import Receiver
from tests.toys.copied import DOCUMENTS, EVENT, SENT, copy_to, examples, run

LOOPBACK = {"JOURNEYS_ALLOW_HOSTS": "127.0.0.1", "JOURNEYS_SECRET_TOKEN": "t0p"}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    copy_to(folder)
    (folder / "events.jsonl").write_text(json.dumps(EVENT))
    return folder


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.mark.slow
def test_the_toys_pass_the_conformance_suites(copy: Path) -> None:
    suites = {"journeys/nodes": "compose", "journeys/documents": "", "agents/destinations": "chat"}
    paths = [f"tests/{suite}/test_conformance.py" for suite in suites]
    toys = "compose or documents or (destinations and not http)"
    options = ["-v", "-n", "0", "-p", "no:cacheprovider", "-k", toys]
    said = run(copy, "pytest", *options, *paths)
    for suite, toy in suites.items():
        assert re.search(rf"{suite}/test_conformance.py::.*{toy}.* PASSED", said), said


def test_documents_that_use_them_are_checked(copy: Path) -> None:
    (copy / "toys.yaml").write_text(DOCUMENTS.format(url="https://chat.example.com"))
    assert "3 documents in 1 file: valid" in run(copy, "journeys_engine", "validate", "toys.yaml")
    wrong = DOCUMENTS.format(url="https://169.254.169.254")
    mistakes = {"token:": "tokn:", "compose": "compse", ": team\nemail": ": tem\nemail"}
    for word, mistake in mistakes.items():
        wrong = wrong.replace(word, mistake)
    (copy / "wrong.yaml").write_text(wrong)
    said = run(copy, "journeys_engine", "validate", "wrong.yaml", code=1)
    for near in ("token", "compose", "team"):
        assert f"did you mean '{near}'?" in said
    assert "which is never called" in said
    (copy / "wrong.yaml").write_text(wrong.replace("type: chat", "type: smoke-signal"))
    said = run(copy, "journeys_engine", "validate", "wrong.yaml", code=1)
    assert "found 'smoke-signal', expected 'http' or 'chat'" in said


def test_records_give_the_catalog_and_plans_compare(copy: Path) -> None:
    run(copy, "tests.toys.in_copy", "catalog", "https://chat.example.com")


def test_a_journey_is_simulated_and_its_message_sent(copy: Path, receiver: Receiver) -> None:
    (copy / "sent.yaml").write_text(DOCUMENTS.format(url=receiver.url))
    command = ["journeys_engine", "simulate", "sent.yaml", "--events", "events.jsonl"]
    assert "Hello Ann" in run(copy, *command)
    said = run(copy, *command, "--send", "say", **LOOPBACK)
    (request,) = receiver.requests
    assert (request.path, request.body) == ("/room/ann", SENT)
    assert request.headers["Authorization"] == "Bearer t0p"
    assert request.headers["Journeys-Test"] == "true"
    assert SENT.decode() in said
    assert "t0p" not in said


async def test_a_source_brings_records_in() -> None:
    names: dict[str, Any] = {}
    exec(examples()["lines.py"], names)
    reader: Reader = names["LinesReader"](b"one\ntwo")
    found = [one for batch in [batch async for batch in reader.batches()] for one in batch]
    assert [(one.value, one.meta, one.position) for one in found] == [
        (b"one", {"offset": 0}, 0),
        (b"two", {"offset": 1}, 1),
    ]
    await reader.acknowledge(found)
    await reader.close()


@pytest.mark.slow
def test_workers_register_evaluate_and_deliver_them(
    copy: Path, empty_kafka: EmbeddedKafka, receiver: Receiver
) -> None:
    words = ("tests.toys.in_copy", "end_to_end", receiver.url)
    said = run(copy, *words, JOURNEYS_BROKER=empty_kafka.bootstrap)
    (delivered,) = json.loads(said.splitlines()[-1])
    (request,) = receiver.requests
    assert (request.path, request.body) == ("/room/ann", SENT)
    assert request.key == delivered["detail"]["action_id"]

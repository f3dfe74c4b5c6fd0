"""What every type of source must do. There is none yet: the list and the protocol are tested."""

from __future__ import annotations

import inspect
import subprocess
import sys

import yaml

from agents.sources.base import Reader
from agents.sources.types import SOURCE_TYPES


def test_no_name_is_there_twice() -> None:
    assert len({one.name for one in SOURCE_TYPES}) == len(SOURCE_TYPES)


def test_the_list_loads_no_client_library() -> None:
    clients = ("httpx", "httpcore", "boto3", "google.cloud", "confluent_kafka")
    code = f"import sys, agents.sources.types; print([n for n in {clients} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_reader_has_these_verbs() -> None:
    verbs = {name for name, _ in inspect.getmembers(Reader, inspect.isfunction) if name[0] != "_"}
    assert verbs == {"batches", "acknowledge", "close"}


def test_an_example_is_a_document_of_the_type() -> None:
    for one in SOURCE_TYPES:
        fields = {"kind": "Source", "name": "it", "type": one.name, **yaml.safe_load(one.example)}
        one.document.model_validate(fields, by_alias=True, by_name=False)

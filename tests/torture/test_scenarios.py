"""The list of scenarios, and what the forged and the hostile ones write."""

import json
import random
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys.records.admission import MAX_EVENT, admit
from journeys.records.event import Rejection
from tests.torture import hostile, scenarios
from tests.torture.forgeries import KIND, KINDS, forgeries
from tests.torture.scenarios.every import FAMILIES, SCENARIOS, names_of
from tests.torture.strangers import STRANGER


def test_every_file_of_scenarios_is_a_family() -> None:
    (folder,) = scenarios.__path__
    files = {path.stem for path in Path(folder).glob("*.py")} - {"base", "every", "__init__"}
    assert {family.__name__.rpartition(".")[2] for family in FAMILIES} == files


def test_scenarios_are_chosen_by_name_and_by_family() -> None:
    assert names_of([]) == [*SCENARIOS]
    assert names_of(["burst", "pauses"])[:2] == ["burst", "evaluate-paused"]
    with pytest.raises(LookupError, match="no scenario burts"):
        names_of(["burts"])


@given(st.integers())
def test_what_is_forged_is_nothing_that_a_user_did(seed: int) -> None:
    for one in islice(forgeries(random.Random(seed), []), 50):
        headers = dict(one.headers)
        assert KIND in headers
        if (headers[KIND] or b"") == b"event":
            event = admit(one.value, "")
            assert isinstance(event, Rejection) or event.user_id.startswith(STRANGER)


def test_all_kinds_are_forged() -> None:
    found = {one.headers[0][1] for one in islice(forgeries(random.Random(1), []), 500)}
    assert found == {kind.encode() for kind in KINDS}


def test_hostile_events_are_strangers_and_as_large_as_they_may_be() -> None:
    sizes = []
    for value, key in hostile.events(random.Random(1)):
        assert key.decode().startswith(STRANGER)
        assert json.loads(value)["userId"].startswith(STRANGER)
        sizes.append(len(value))
    assert max(size for size in sizes if size <= MAX_EVENT) > MAX_EVENT // 2
    assert max(sizes) > MAX_EVENT

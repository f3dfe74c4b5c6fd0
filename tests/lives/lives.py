"""Journeys under live users, against a model that knows nothing of the engine: random documents are
edited, paused, resumed and archived while events, responses and time go on. Every outcome, action
and record is to be the model's.

It takes long and is run by name: `pytest tests/lives/lives.py`.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.lives.engine_side import Engine, Modelled, assert_same, play
from tests.lives.random_histories import TOURS, histories


@pytest.mark.parametrize("everything", [True, False])
@pytest.mark.parametrize("clock", ["stream", "wall"])
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), tours=TOURS)
def test_every_outcome_action_and_record_is_the_models(
    clock: Any, everything: bool, data: st.DataObject, tours: tuple[dict[str, Any], ...]
) -> None:
    history = data.draw(histories(tours, wall=clock == "wall"))
    engine = play(Engine(clock, *tours, everything=everything), history)
    model = play(Modelled(clock, *tours, everything=everything), history)
    assert_same(engine, model)

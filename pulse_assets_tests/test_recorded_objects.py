"""A small training stores what it stored when it was recorded: refactoring changes no value."""

import json
from typing import Any

import pytest

from pulse_assets_tests.recorded_objects import RECORD, small_training

#: Rounding differs between processors.
TOLERANCE = 1e-9


def _approximately(value: Any) -> Any:
    if isinstance(value, float):
        return pytest.approx(value, rel=TOLERANCE, abs=TOLERANCE)
    if isinstance(value, list):
        return [_approximately(part) for part in value]
    if isinstance(value, dict):
        return {key: _approximately(part) for key, part in value.items()}
    return value


def test_a_small_training_stores_the_recorded_objects(tmp_path):
    recorded = json.loads(RECORD.read_text("utf-8"))
    assert len(recorded) == 19
    found = small_training(tmp_path)
    assert found.keys() == recorded.keys()
    for name, expected in recorded.items():
        assert found[name] == _approximately(expected), name

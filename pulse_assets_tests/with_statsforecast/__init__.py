"""Tests beside statsforecast, which needs pandas < 3: `make test-statsforecast` runs them."""

import pytest

pytest.importorskip("statsforecast", reason="run by `make test-statsforecast`")

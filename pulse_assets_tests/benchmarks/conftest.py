import pytest

from benchmarks import fred


@pytest.fixture
def database(tmp_path, monkeypatch):
    """Where a test's own database goes; one that is installed is not seen."""
    folder = tmp_path / "database"
    monkeypatch.setattr(fred, "INSTALLED", folder)
    return folder

"""Fixtures of all tests: a small source of two monthly series and a store of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import settings as hypothesis_settings

from pulse_assets.settings import Settings, TrainingOptions

hypothesis_settings.register_profile("pulse", deadline=None, derandomize=True)
hypothesis_settings.load_profile("pulse")

#: Imported by other processes, under a name that this one may use.
collect_ignore = ["quick_daemon"]

#: The files whose slow tests take longest, which begin first: at the end one would be waited for.
LONGEST = [
    f"pulse_assets_tests/{name}.py"
    for name in (
        *("test_faults", "storage/test_faults", "test_four_ways"),
        *("test_nothing_disappears", "docs/test_pages", "stages/test_causality", "test_examples"),
        *("dagster/test_own_project", "test_browser", "test_operating", "test_several_hosts"),
    )
]

#: What needs no compiled kernel.
WITHOUT_KERNELS = tuple(
    f"pulse_assets_tests/{name}"
    for name in (
        *("history/", "report/", "storage/test_store", "storage/test_tables", "test_bad_settings"),
        *(
            "test_preflight",
            "test_progress",
            "test_security",
            "test_settings",
            "test_source_watch",
            "test_terminal",
        ),
    )
)

#: Quick rules: two exact ones and one whose constants are tuned.
MODELS = ["naive", "drift", "ses"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, and those that need no kernel in the middle.

    There the second of two processes begins. It leaves it to the first to compile the kernels.
    """
    rank = {file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.nodeid.partition("::")[0], len(LONGEST)))
    plain = [item for item in items if item.nodeid.startswith(WITHOUT_KERNELS)]
    others = [item for item in items if not item.nodeid.startswith(WITHOUT_KERNELS)]
    half = len(items) // 2
    items[:] = [*others[:half], *plain, *others[half:]]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory with two monthly series, 2000-01 to 2009-12: a line and a wave."""
    return write_source(tmp_path / "source")


def write_source(folder: Path) -> Path:
    """Write the two series, for fixtures that outlive a test."""
    folder.mkdir()
    months = [f"{2000 + i // 12}-{i % 12 + 1:02d}-01" for i in range(120)]
    for name, value in (("line", lambda i: 10 + 0.5 * i), ("wave", lambda i: i * 7 % 12 - i % 5)):
        rows = [f"{month},{value(i)}" for i, month in enumerate(months)]
        (folder / f"historical_{name}.csv").write_text("timestamp,value\n" + "\n".join(rows) + "\n")
    return folder


@pytest.fixture
def settings(source: Path, tmp_path: Path) -> Settings:
    """Twelve batches of 30 days over 2005; one window, 2005-05-01 to 30, has its own month."""
    return twelve_batches(source, tmp_path / "store")


def twelve_batches(source: Path, store: Path) -> Settings:
    """Return these settings, for fixtures that outlive a test."""
    return Settings(
        source=str(source),
        store=str(store),
        start_date="2005-01-01",
        end_date="2005-12-26",
    )


@pytest.fixture
def options() -> TrainingOptions:
    """Three quick rules, two horizons."""
    return TrainingOptions(models=MODELS, horizons=[1, 3])


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance that keeps its records in memory, as long as the test lives."""
    folder = tmp_path / "instance"
    folder.mkdir()
    with dg.DagsterInstance.ephemeral(str(folder)) as instance:
        yield instance


def stored(store: str | Path) -> dict[str, bytes]:
    """Return the Parquet objects of a store by their path."""
    root = Path(store)
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*.parquet"))}


def object_count(batches: int) -> int:
    """Return how many objects `stored` finds after a training of that many batches."""
    of_a_batch = ("historical_data", "training_batches", "retrodictions", "batch_metrics")
    of_all = (
        "trust_ledger",
        "next_forecasts",
        "skill_by_horizon",
        "significance",
        "scores_by_period",
    )
    return len(of_a_batch) * batches + len(of_all)


Stored = Callable[[str | Path], dict[str, bytes]]

"""All objects of a small training as plain values: to record them, and to compare with the record.

    python -m pulse_assets_tests.recorded_objects

writes `recorded/small_training.json`. Record again only when a change of the values is meant.
"""

import json
import os
import tempfile
from datetime import date
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pulse_assets import TrainingConfig, train
from pulse_assets_tests.conftest import write_source

RECORD: Final = Path(__file__).parent / "recorded" / "small_training.json"

#: Rules of every family, so that all kernels take part.
_MODELS: Final = ["naive", "mean", "holt", "ar_diff_3", "ar_log_adjusted_12"]
#: What differs from run to run or from machine to machine, is prose, or grows with each new check.
_VOLATILE: Final = {
    *("performance", "dask_cluster", "versions", "configuration", "message", "checks"),
}


def small_training(folder: Path) -> dict[str, Any]:
    """Train on two monthly series in an empty folder; return every stored object by its path."""
    config = TrainingConfig(
        source=str(write_source(folder / "source")),
        store=str(folder / "store"),
        start_date=date(2005, 1, 1),
        end_date=date(2005, 6, 29),
        batch_size_days=60,
        models=_MODELS,
        horizons=[1, 3],
        max_workers=1,
    )
    train(config)
    return objects(folder / "store")


def objects(store: Path) -> dict[str, Any]:
    """Return tables as columns and types, results as JSON, and of the report that it is there."""
    files = [path for path in sorted(store.rglob("*")) if path.is_file()]
    return {str(path.relative_to(store)): _plain(path) for path in files}


def _plain(path: Path) -> Any:
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        types = {field.name: str(field.type) for field in table.schema}
        return {"types": types, "columns": _as_json(table)}
    if path.suffix == ".json":
        return json.loads(path.read_text("utf-8"), object_hook=_without_volatile)
    return "a page"


def _without_volatile(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in _VOLATILE}


def _as_json(table: pa.Table) -> dict[str, Any]:
    """Return the columns with dates as text and undefined numbers as None."""
    text = json.dumps(table.to_pydict(), default=str)
    return json.loads(text, parse_constant=lambda _: None)


def main() -> None:
    """Record the objects of the small training."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DAGSTER_HOME"] = f"{folder}/home"
        found = small_training(Path(folder))
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(found, separators=(",", ":"), sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()

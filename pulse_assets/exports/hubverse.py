"""Retrodictions as a hub of hubverse: model outputs, outcomes and the description of the tasks.

Source: the standards of hubverse, https://docs.hubverse.io, and schema version 5.0.1 of its
configuration files, https://github.com/hubverse-org/schemas.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from pulse_assets.errors import ConfigurationError

_SCHEMAS: Final = "https://raw.githubusercontent.com/hubverse-org/schemas/main/v5.0.1"
#: The team that stands before the name of each model, and the only round.
_TEAM: Final = "pulse"
ROUND: Final = "retrodictions"
#: Length of an identifier of a target at most.
_LONGEST: Final = 30
#: Names of our columns in a hub.
_TASK_IDS: Final = {
    "origin_date": "origin_date",
    "variable": "target",
    "horizon": "horizon",
    "target_date": "target_date",
}
#: Frequencies of which hubverse knows a name.
_UNITS: Final = {"daily": "day", "weekly": "week", "monthly": "month"}


def model_ids(models: Iterable[str]) -> dict[str, str]:
    """Return the identifier of each model: a team and a name of letters, digits and underscores.

    Raises:
        ConfigurationError: two models would have the same one.

    Example:
        >>> model_ids(["ensemble", "statsforecast:AutoETS"])
        {'ensemble': 'pulse-ensemble', 'statsforecast:AutoETS': 'pulse-statsforecast_AutoETS'}
    """
    ids: dict[str, str] = {}
    for model in models:
        name = f"{_TEAM}-{re.sub(r'[^A-Za-z0-9_]', '_', model)}"
        for other in (other for other, taken in ids.items() if taken == name):
            raise ConfigurationError(
                f"models {other} and {model} would both be {name} in a hub: leave one out with "
                "--models"
            )
        ids[model] = name
    return ids


def hubverse_frame(retrodictions: pd.DataFrame, levels: Sequence[float]) -> pd.DataFrame:
    """Return the quantiles of forecasts, one row per forecast and level, as `model_out_tbl`.

    Columns `model_id`, `origin_date`, `target` (the variable), `horizon`, `target_date`,
    `output_type` (quantile), `output_type_id` (the level) and `value`. Forecasts that a model does
    not have are left out. Point forecasts are no output: the median is the level 0.5.

    Args:
        retrodictions: from `TrainingResults.retrodictions`.
        levels: of its quantiles, ascending.

    Raises:
        ConfigurationError: two models would have the same identifier.
    """
    ids = model_ids(sorted(retrodictions["model"].unique()))
    names = [f"q{level:g}" for level in levels]
    rows = retrodictions[retrodictions[names].notna().all(axis=1)]
    repeated = rows.index.repeat(len(levels))
    tasks = rows.loc[repeated, [*_TASK_IDS]].rename(columns=_TASK_IDS)
    frame = tasks.assign(
        model_id=rows["model"].cat.rename_categories(ids).loc[repeated],
        output_type=pd.Series("quantile", repeated, dtype="category"),
        output_type_id=np.tile(np.array(levels), len(rows)),
        value=rows[names].to_numpy().ravel(),
    )
    columns = ["model_id", *_TASK_IDS.values(), "output_type", "output_type_id", "value"]
    return frame[columns].reset_index(drop=True)


def time_series(retrodictions: pd.DataFrame) -> pd.DataFrame:
    """Return the outcomes as time series: `target_date`, `target` and `observation`."""
    rows = _outcomes(retrodictions)
    return rows.rename(columns={"observed": "observation"})[
        ["target_date", "target", "observation"]
    ]


def oracle_output(retrodictions: pd.DataFrame) -> pd.DataFrame:
    """Return the outcomes as a model that knew them would: `oracle_value` by target and date."""
    rows = _outcomes(retrodictions)
    return rows.rename(columns={"observed": "oracle_value"})[
        ["target_date", "target", "oracle_value"]
    ]


def _outcomes(retrodictions: pd.DataFrame) -> pd.DataFrame:
    """Return the outcome of each date of each variable."""
    columns = ["variable", "target_date", "observed"]
    rows = retrodictions[columns].drop_duplicates(["variable", "target_date"])
    rows = rows.sort_values(["variable", "target_date"]).reset_index(drop=True)
    return rows.rename(columns={"variable": "target"})


def admin() -> dict[str, Any]:
    """Return the administrative settings of the hub, `hub-config/admin.json`."""
    return {
        "schema_version": f"{_SCHEMAS}/admin-schema.json",
        "name": "Retrodictions of pulse_assets",
        "maintainer": "pulse_assets",
        "contact": {},
        "repository": {},
        "file_format": ["parquet"],
        "timezone": "UTC",
    }


def tasks(
    retrodictions: pd.DataFrame, levels: Sequence[float], frequencies: Mapping[str, str]
) -> dict[str, Any]:
    """Return the description of the tasks, `hub-config/tasks.json`.

    Args:
        retrodictions: from `TrainingResults.retrodictions`.
        levels: of its quantiles, ascending.
        frequencies: name of the frequency by variable.
    """
    variables = sorted(retrodictions["variable"].unique())
    values = {
        "origin_date": _days(retrodictions["origin_date"]),
        "target": variables,
        "horizon": sorted(map(int, retrodictions["horizon"].unique())),
        "target_date": _days(retrodictions["target_date"]),
    }
    first, last = values["origin_date"][0], values["target_date"][-1]
    quantile = {
        "output_type_id": {"required": [*levels]},
        "is_required": True,
        "value": {"type": "double"},
    }
    model_task = {
        "task_ids": {
            name: {"required": None, "optional": optional} for name, optional in values.items()
        },
        "output_type": {"quantile": quantile},
        "target_metadata": [
            _target(number, name, frequencies.get(name, ""))
            for number, name in enumerate(variables)
        ],
    }
    only = {
        "round_id_from_variable": False,
        "round_id": ROUND,
        "model_tasks": [model_task],
        "submissions_due": {"start": first, "end": last},
    }
    return {
        "schema_version": f"{_SCHEMAS}/tasks-schema.json",
        "rounds": [only],
        "derived_task_ids": ["target_date"],
        "output_type_id_datatype": "double",
    }


def _days(column: pd.Series) -> list[str]:
    return sorted(day.date().isoformat() for day in column.unique())


def _target(number: int, variable: str, frequency: str) -> dict[str, Any]:
    """Describe one variable."""
    unit = _UNITS.get(frequency)
    return {
        "target_id": variable if len(variable) <= _LONGEST else f"target {number}",
        "target_name": variable,
        "target_units": "as in the source",
        "target_keys": {"target": variable},
        "target_type": "continuous",
        "is_step_ahead": unit is not None,
        **({"time_unit": unit} if unit else {}),
    }

"""Retrodictions as the wide frame that Nixtla's libraries return from a cross-validation.

Source: the outputs of `cross_validation` in statsforecast and what `utilsforecast.evaluation`
reads, https://nixtlaverse.nixtla.io/utilsforecast/evaluation.html.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pandas as pd

from pulse_assets.array_types import Floats, Ints
from pulse_assets.errors import ConfigurationError

#: Names of the columns that are no model.
_KEYS: Final = ("unique_id", "ds", "cutoff", "y")
_PAIR: Final = ["variable", "origin_date", "target_date"]


def nixtla_frame(retrodictions: pd.DataFrame, levels: Sequence[float]) -> pd.DataFrame:
    """Return one row per variable, origin and target, and one column per model.

    `cutoff` is the origin, `y` the outcome. Two quantiles whose levels mirror each other are the
    columns `<model>-lo-90` and `<model>-hi-90`; the median and levels without a mirror image have
    none. A model without a forecast of a pair has NaN there.

    Args:
        retrodictions: from `TrainingResults.retrodictions`.
        levels: of its quantiles, ascending.

    Raises:
        ConfigurationError: a model has the name of another column.

    Example:
        Levels 0.05, 0.5 and 0.95 give the columns unique_id, ds, cutoff, y, naive, naive-lo-90 and
        naive-hi-90.
    """
    models = sorted(retrodictions["model"].unique())
    if taken := [name for name in models if name in _KEYS]:
        raise ConfigurationError(
            f"model {taken[0]!r} has the name of a column of Nixtla: leave it out with --models"
        )
    rows = retrodictions.sort_values(_PAIR, kind="stable")
    groups = rows.groupby(_PAIR, observed=True, sort=True).ngroup()
    pair = np.array(groups, np.int64)
    first = np.flatnonzero(np.diff(pair, prepend=-1))
    keys = rows.iloc[first]
    columns: dict[str, object] = {
        "unique_id": keys["variable"].astype(str).to_numpy(),
        "ds": keys["target_date"].to_numpy(),
        "cutoff": keys["origin_date"].to_numpy(),
        "y": keys["observed"].to_numpy(),
    }
    codes = pd.Categorical(rows["model"], categories=models).codes
    for number, model in enumerate(models):
        own = np.asarray(codes == number, np.bool_)
        for suffix, name in _columns_of_a_model(levels):
            values = rows[name].to_numpy()[own]
            columns[model + suffix] = _spread(values, pair[own], len(first))
    return pd.DataFrame(columns)


def _spread(values: Floats, places: Ints, length: int) -> Floats:
    """Return an array with values at some places, and NaN elsewhere."""
    spread = np.full(length, np.nan)
    spread[places] = values
    return spread


def _columns_of_a_model(levels: Sequence[float]) -> Iterator[tuple[str, str]]:
    """Yield what follows the name of a model, and the column with these values.

    Example:
        >>> list(_columns_of_a_model([0.05, 0.5, 0.95]))
        [('', 'predicted'), ('-lo-90', 'q0.05'), ('-hi-90', 'q0.95')]
    """
    yield "", "predicted"
    mirrored = {round(1.0 - level, 9): level for level in levels}
    for level in (level for level in levels if level < 0.5 and round(level, 9) in mirrored):
        coverage = round(100.0 * (1.0 - 2.0 * level), 7)
        yield f"-lo-{coverage:g}", f"q{level:.9g}"
        yield f"-hi-{coverage:g}", f"q{mirrored[round(level, 9)]:.9g}"

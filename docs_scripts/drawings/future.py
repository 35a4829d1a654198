"""Picture of a source whose later values were replaced: forecasts made before stay the same."""

from typing import Final

import numpy as np
import pandas as pd

from docs_scripts.drawings.canvas import SMALL, Canvas, Colour, Point
from docs_scripts.drawings.plot import Plot
from docs_scripts.drawings.trainings import CUT, UNEMPLOYMENT, Trainings, invented, series
from pulse_assets import TrainingResults

_KEY: Final = ["variable", "model", "origin_date", "horizon"]
_NUMBERS: Final = ["predicted", "weight", "lower", "upper"]
_TRUE: Final[Colour] = "blue"
_REPLACED: Final[Colour] = "orange"


def replaced_future(trainings: Trainings) -> Canvas:
    """Draw both series, and the forecasts one month ahead of both trainings."""
    canvas = Canvas(304.0, "Forecasts before the replaced values are the same in both trainings")
    subtitle = "US unemployment rate, per cent; ensemble, one month ahead"
    canvas.heading("Later values replaced, earlier forecasts unchanged", subtitle)
    plot = Plot(canvas, 50.0, 186.0, ("2007-01-01", "2009-09-01"), (2.0, 12.0))
    cut = plot.x(CUT)
    canvas.line([(cut, 50.0), (cut, plot.bottom)], "ink", width=1.0)
    canvas.text((cut - 6.0, 64.0), "replaced from August 2008 on", anchor="end", size=SMALL)
    _draw_series(plot, series(UNEMPLOYMENT), _TRUE)
    _draw_series(plot, invented(UNEMPLOYMENT), _REPLACED)
    canvas.dots(_forecasts(plot, trainings.us), _TRUE, radius=4.5, open_=True)
    canvas.dots(_forecasts(plot, trainings.changed), _REPLACED, radius=2.0)
    same, compared = compare(trainings)
    names: list[tuple[str, Colour]] = [("true values: rings", _TRUE), ("replaced: dots", _REPLACED)]
    canvas.legend((40.0, 276.0), names)
    text = f"{same:,} of {compared:,} forecasts made before are equal, bit for bit"
    canvas.text((40.0, 296.0), text, size=SMALL)
    return canvas


def compare(trainings: Trainings) -> tuple[int, int]:
    """Return how many forecasts made before the replaced values are equal, and how many there are.

    All variables, rules and horizons count; of each forecast also its weight and its interval.
    """
    frames = []
    for results in (trainings.us, trainings.changed):
        rows = _between(results.retrodictions(), "target_date", "2007-01-01", "2009-12-31")
        frames.append(rows[rows["made_at"] < CUT].set_index(_KEY)[_NUMBERS])
    both = frames[0].index.intersection(frames[1].index)
    one, other = (
        np.ascontiguousarray(frame.loc[both].to_numpy()).view(np.int64) for frame in frames
    )
    return int((one == other).all(axis=1).sum()), len(both)


def _draw_series(plot: Plot, rows: pd.DataFrame, colour: Colour) -> None:
    shown = _between(rows, "ds", "2007-01-01", "2009-08-01")
    plot.canvas.line(plot.line_of(shown, "ds", "y"), colour, width=1.2)


def _forecasts(plot: Plot, results: TrainingResults) -> list[Point]:
    """Return the places of the ensemble's forecasts one month ahead."""
    rows = results.retrodictions(variable=UNEMPLOYMENT, model="ensemble", horizon=1)
    shown = _between(rows, "target_date", "2007-01-01", "2009-08-01")
    return plot.line_of(shown, "target_date", "predicted")


def _between(rows: pd.DataFrame, column: str, first: str, last: str) -> pd.DataFrame:
    """Return the rows of which a column of dates lies between two days, both included."""
    return rows[rows[column].between(pd.Timestamp(first), pd.Timestamp(last))]

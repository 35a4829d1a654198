"""Pictures of rules: trust and weights over time, quantiles against outcomes."""

from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd

from docs_scripts.drawings.canvas import SMALL, Canvas, Colour
from docs_scripts.drawings.plot import Plot
from docs_scripts.drawings.trainings import GDP, UNEMPLOYMENT, Trainings

_TRUSTED: Final[dict[str, Colour]] = {
    "ensemble": "blue",
    "theta_adjusted": "green",
    "mean": "orange",
}
#: Rules of the picture of weights: all others are one area.
_SHOWN: Final = 5
_STACK: Final[tuple[Colour, ...]] = ("blue", "orange", "green", "purple", "gold", "grey")


def trust(trainings: Trainings) -> Canvas:
    """Draw trust in three rules after each batch, with its interval of 90 per cent."""
    canvas = Canvas(286.0, "Trust in three rules after each batch, with intervals of 90 per cent")
    canvas.heading(
        "Trust after each batch, with its 90 % interval", "US unemployment rate, all horizons"
    )
    plot = Plot(canvas, 50.0, 186.0, ("1990-01-01", "2023-01-01"), (0.0, 1.0))
    rows = trainings.us.trust(variable=UNEMPLOYMENT, model=[*_TRUSTED])
    rows = rows[rows["horizon"].isna()]
    by_rule = {name: rows[rows["model"] == name].sort_values("batch") for name in _TRUSTED}
    for name, own in by_rule.items():
        days = own["batch"].astype(str).to_numpy()
        canvas.area(
            plot.between(days, own["lower"].to_numpy(), own["upper"].to_numpy()), _TRUSTED[name]
        )
    canvas.line([(plot.left, plot.y(0.5)), (plot.right, plot.y(0.5))], "ink", width=1.0)
    for name, own in by_rule.items():
        days = own["batch"].astype(str).to_numpy()
        canvas.line(plot.points(days, own["trust"].to_numpy()), _TRUSTED[name], width=2.0)
    canvas.text((plot.right, plot.y(0.5) - 5.0), "naive", anchor="end", size=SMALL)
    canvas.legend((40.0, 276.0), list(_TRUSTED.items()))
    return canvas


def weights(trainings: Trainings) -> Canvas:
    """Draw the mean weights of rules in each batch, one above the other."""
    rows = trainings.us.metrics(variable=GDP, horizon=1)
    table = rows.pivot_table(index="batch", columns="model", values="weight", observed=True)
    order = table.mean().sort_values(ascending=False).index[:_SHOWN]
    shares = table[order].assign(others=1.0 - table[order].sum(axis=1)).clip(lower=0.0)
    canvas = Canvas(302.0, "The weights of rules in the ensemble, batch after batch")
    canvas.heading("Weights in the ensemble, stacked", "US GDP growth, mean of each batch")
    plot = Plot(canvas, 50.0, 186.0, ("1990-01-01", "2023-01-01"), (0.0, 1.0))
    days = table.index.astype(str).to_numpy()
    edges = np.column_stack([np.zeros(len(shares)), shares.cumsum(axis=1).to_numpy()])
    for number, (lower, upper) in enumerate(pairwise(edges.T)):
        canvas.area(plot.between(days, lower, upper), _STACK[number], opacity=0.8)
    canvas.legend((40.0, 276.0), list(zip(shares.columns, _STACK, strict=True)))
    return canvas


def quantiles(trainings: Trainings) -> Canvas:
    """Draw quantiles of the ensemble three months ahead, and the outcomes."""
    whole = trainings.us.retrodictions(variable=UNEMPLOYMENT, model="ensemble", horizon=3)
    shown = whole["target_date"].between(pd.Timestamp("2007-01-01"), pd.Timestamp("2010-12-01"))
    rows = whole[shown].sort_values("target_date")
    canvas = Canvas(302.0, "Quantiles of the ensemble three months ahead, and what happened")
    canvas.heading("Quantiles three months ahead, and outcomes", "US unemployment rate, per cent")
    plot = Plot(canvas, 50.0, 186.0, ("2006-12-15", "2011-01-01"), (3.0, 12.0))
    days = rows["target_date"].to_numpy()
    for low, high, opacity in (("0.05", "0.95", 0.2), ("0.1", "0.9", 0.25), ("0.25", "0.75", 0.35)):
        outline = plot.between(days, rows[f"q{low}"].to_numpy(), rows[f"q{high}"].to_numpy())
        canvas.area(outline, "blue", opacity=opacity)
    canvas.line(plot.line_of(rows, "target_date", "q0.5"), "blue", width=1.5)
    canvas.dots(plot.line_of(rows, "target_date", "observed"), "ink", radius=2.0)
    texts = (
        f"The widest band is meant for 90 % of outcomes: it holds {_inside(rows)} of these",
        f"{len(rows)}, in and after a recession; {_inside(whole)} of all {len(whole)} since 1990.",
    )
    for place, text in enumerate(texts):
        canvas.text((14.0, 276.0 + 16.0 * place), text, size=SMALL)
    return canvas


def _inside(rows: pd.DataFrame) -> str:
    """Return the share of outcomes between the outermost quantiles, in per cent."""
    above, below = rows["observed"] >= rows["q0.05"], rows["observed"] <= rows["q0.95"]
    return f"{100 * (above & below).mean():.0f} %"

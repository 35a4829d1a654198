"""Accuracy on the series of the forecasting competitions M1, M3 and Tourism, and of FRED.

    python -m benchmarks.competitions [--peers [--full]] [--series N] [--output DIRECTORY]

Each series is forecast once, from its last value, as in the competitions. Prints tables; writes
`competitions.json` and `competitions.png`. OWA is the mean of MASE and sMAPE, each over that of
Naive2, as in M4. SQL is the scaled quantile loss of seven levels, MSIS the scaled score of
intervals of 95 %. With peers, a second part has the same figures of models of statsforecast on the
same series. Constants of the engine were chosen on M1, M3 and half of the FRED series; Tourism is
the one to read.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import competition_tables as tables
from benchmarks import fred
from benchmarks.competition_forecasts import ModelForecasts, our_forecasts
from benchmarks.competition_goals import goals
from benchmarks.competition_picture import draw
from benchmarks.competition_scores import compare, evaluate
from benchmarks.competition_series import CompetitionSeries, load
from benchmarks.fred_cases import forecast_once
from benchmarks.setting import RESULTS, publish

#: Our models that are compared with peers.
OURS = ("ensemble", "ensemble_median")

Sets = Mapping[str, Sequence[CompetitionSeries]]
#: Forecasts by set and model.
Forecasts = Mapping[str, Mapping[str, ModelForecasts]]


def evaluate_all(sets: Sets, ours: Forecasts) -> dict[str, Any]:
    """Return the figures of our models by set."""
    return {name: evaluate(group, ours[name])[1] for name, group in sets.items()}


def compare_peers(sets: Sets, ours: Forecasts, cache: Path, *, full: bool) -> dict[str, Any]:
    """Return the figures of our ensembles and of the peers on the same series, with tests, by set.

    Args:
        sets: the series by set.
        ours: our forecasts of all of them.
        cache: directory of the peers' forecasts.
        full: whether all series are used, not a sample.
    """
    from benchmarks.competition_peers import peer_forecasts

    found = {}
    for name, (indices, peers) in peer_forecasts(sets, cache, full=full).items():
        group = [sets[name][i] for i in indices]
        models = {model: ours[name][model].of(indices) for model in OURS} | peers
        scores, found[name] = evaluate(group, models)
        ensemble = scores.pop(OURS[0])
        found[name]["tests"] = {model: compare(ensemble, s) for model, s in scores.items()}
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="accuracy on the series of competitions")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--peers", action="store_true", help="run statsforecast on a sample too")
    parser.add_argument("--full", action="store_true", help="run it on all series")
    parser.add_argument("--series", type=int, help="only the first so many series of each set")
    options = parser.parse_args(arguments)
    sets = load("M1", "M3", "Tourism")
    sets["FRED monthly"] = forecast_once(fred.load(options.output / "cache"))
    sets = {name: group[: options.series] for name, group in sets.items()}
    for group in sets.values():
        our_forecasts(group[:1])  # loads or compiles the kernels
    ours = {name: our_forecasts(group) for name, group in sets.items()}
    result: dict[str, Any] = {"sets": evaluate_all(sets, ours)}
    sys.stdout.write(tables.of_models(result["sets"]) + "\n\n")
    sys.stdout.write(tables.of_coverage(result["sets"]) + "\n\n")
    if options.peers:
        cache = options.output / "cache" / "peers"
        result["peers"] = compare_peers(sets, ours, cache, full=options.full)
        sys.stdout.write(tables.beside_peers(result["peers"]) + "\n\n")
    judged = goals(result)
    result["goals"] = [goal._asdict() | {"met": goal.met()} for goal in judged]
    sys.stdout.write(tables.of_goals(judged) + "\n")
    publish("competitions", result, draw, options.output)


if __name__ == "__main__":
    main()

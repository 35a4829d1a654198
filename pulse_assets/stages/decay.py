"""Decay alarms: rules whose trust, coverage or last loss is out of its usual range.

They watch `ensemble` and the rules that carry its weight, so that a rule which nobody relies on
alarms nobody.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from pulse_assets.array_types import Floats, Ints
from pulse_assets.evaluation.drift import RANGE, coverage_drift, first_below, loss_limit
from pulse_assets.evaluation_records import Alarm
from pulse_assets.retrodiction.rules import ENSEMBLE, REFERENCE
from pulse_assets.stages.ledger import overall_rows
from pulse_assets.stages.losses import VariableLosses
from pulse_assets.stages.pooling import batch_slices

#: A rule is watched if its mean share of the ensemble in the last batch of its variable is at
#: least this.
WATCHED_WEIGHT: Final = 0.1
#: Age of the interval of trust that today's trust is compared with.
_YEAR: Final = np.timedelta64(365, "D")

#: Alarms that a text lists for each kind.
LISTED: Final = 3


class _Covered(NamedTuple):
    """Outcomes of one batch by number of group, at the shortest horizon."""

    places: np.ndarray
    covered: np.ndarray
    n: np.ndarray
    weight: np.ndarray


class CoverageCollector:
    """Collects covered outcomes at the shortest horizon, and weights, as `add_up` reads rows."""

    def __init__(self, horizon: int) -> None:
        """Start with no batch; `horizon` is the shortest one."""
        self.horizon = horizon
        self._rows: dict[str, _Covered] = {}

    def add(self, rows: pa.Table, places: Ints) -> None:
        """Read rows, see `Observer`."""
        own = rows["horizon"].to_numpy() == self.horizon
        columns = [rows[name].to_numpy().astype(np.float32) for name in ("covered", "n", "weight")]
        for batch, part in batch_slices(rows):
            chosen = own[part]
            self._rows[batch] = _Covered(
                places[part][chosen].astype(np.int32), *(each[part][chosen] for each in columns)
            )

    def watched(self, groups: pd.DataFrame) -> Iterator["Watched"]:
        """Yield each variable and rule that is watched.

        A rule that the last batch of its variable does not have is not: nobody relies on it.

        Args:
            groups: the frame that `add_up` returned.
        """
        own = np.flatnonzero(groups["horizon"] == self.horizon)
        place = np.full(len(groups), -1)
        place[own] = np.arange(len(own))
        groups, batches = groups.iloc[own], sorted(self._rows)
        covered, n = np.full((2, len(batches), len(own)), np.nan, np.float32)
        weight = np.full(len(own), np.nan, np.float32)
        last = np.full(len(own), -1)
        for at, batch in enumerate(batches):
            row = self._rows[batch]
            rules = place[row.places]
            covered[at, rules], n[at, rules] = row.covered, row.n
            weight[rules], last[rules] = row.weight, at
        relied_on = last == pd.Series(last).groupby(groups["variable"].to_numpy()).transform("max")
        variables, models = (groups[name].astype(str).tolist() for name in ("variable", "model"))
        for rule in np.flatnonzero(relied_on & (last >= 0)).tolist():
            model = models[rule]
            if model == ENSEMBLE or (weight[rule] >= WATCHED_WEIGHT and model != REFERENCE):
                usable = ~np.isnan(covered[:, rule]) & (n[:, rule] > 0)
                yield Watched(
                    variables[rule],
                    model,
                    [batches[i] for i in np.flatnonzero(usable)],
                    covered[usable, rule].astype(np.float64),
                    n[usable, rule].astype(np.float64),
                )


class Watched(NamedTuple):
    """A rule of a variable, and how many of its outcomes were covered in each batch."""

    variable: str
    model: str
    batches: Sequence[str]
    covered: Floats
    n: Floats


class DecayWatch:
    """Finds the alarms of rules, those about losses while others read the same losses."""

    def __init__(self, watched: Iterable[Watched], *, level: float, horizon: int) -> None:
        """Take the rules with their coverage.

        Args:
            watched: the rules.
            level: nominal coverage of their intervals.
            horizon: the shortest one, of which the coverage is.
        """
        self._rules = {(each.variable, each.model): each for each in watched}
        drifts = (
            _coverage_alarm(each, level=level, horizon=horizon) for each in self._rules.values()
        )
        self._alarms = [alarm for alarm in drifts if alarm]

    @property
    def count(self) -> int:
        """The number of rules that are watched, one per variable and rule."""
        return len(self._rules)

    def reading(self, losses: Iterable[VariableLosses]) -> Iterator[VariableLosses]:
        """Yield the losses of each variable, and look at those of the last batch."""
        for variable in losses:
            own = (self._rules.get((variable.variable, model)) for model in variable.models)
            alarms = (_loss_alarm(variable, each) for each in own if each)
            self._alarms += [alarm for alarm in alarms if alarm]
            yield variable

    def alarms(self, ledger: pa.Table | None) -> list[Alarm]:
        """Return the alarms, those of `ensemble` first, then by variable, rule and kind.

        Args:
            ledger: rows of schema `TRUST_LEDGER`; None: trust is not looked at.
        """
        fallen = [] if ledger is None else _trust_alarms(overall_rows(ledger), self._rules)
        order = [*self._alarms, *fallen]
        return sorted(order, key=lambda a: (a.model != ENSEMBLE, a.variable, a.model, a.kind))


def _coverage_alarm(rule: Watched, *, level: float, horizon: int) -> Alarm | None:
    drift = coverage_drift(rule.covered, rule.n, level, horizon)
    if drift is None:
        return None
    if drift.first == 0 and drift.share > level:  # too wide ever since: nothing decays
        return None
    first = rule.batches[drift.first]
    return Alarm("coverage", rule.variable, rule.model, first, _plain(drift.share), _plain(level))


def _loss_alarm(losses: VariableLosses, rule: Watched) -> Alarm | None:
    """Compare the loss per pair in the last batch, over all horizons, with those before."""
    if not rule.batches:
        return None
    pairs = dict(zip(rule.batches, rule.n.tolist(), strict=True))
    n = np.array([pairs.get(batch, np.nan) for batch in losses.batches])
    scaled = losses.error[:, losses.models.index(rule.model)] / losses.scale
    present = ~np.isnan(scaled)
    with np.errstate(all="ignore"):
        mean = np.where(present, scaled, 0.0).sum(axis=1) / present.sum(axis=1)
    mean *= np.mean(rule.n) / n
    limit = loss_limit(mean[:-1])
    if limit is None or not mean[-1] > limit:
        return None
    last = losses.batches[-1]
    return Alarm("loss", losses.variable, rule.model, last, _plain(mean[-1]), _plain(limit))


def _trust_alarms(ledger: pa.Table, rules: Collection[tuple[str, str]]) -> Iterator[Alarm]:
    """Compare the trust of each rule with its interval of a year ago."""
    frame = ledger.select(["batch", "variable", "model", "trust", "lower"]).to_pandas()
    variables, models = ({key[at] for key in rules} for at in (0, 1))
    frame = frame[frame["variable"].isin(variables) & frame["model"].isin(models)]
    frame = frame.assign(batch=frame["batch"].astype(str)).sort_values("batch")
    for (variable, model), rows in frame.groupby(["variable", "model"], observed=True):
        if (variable, model) in rules and (alarm := _trust_alarm(variable, model, rows)):
            yield alarm


def _trust_alarm(variable: str, model: str, rows: pd.DataFrame) -> Alarm | None:
    days = rows["batch"].to_numpy().astype("datetime64[D]")
    past = int(days.searchsorted(days[-1] - _YEAR, side="right")) - 1
    if past < 0:
        return None
    trust, limit = rows["trust"].to_numpy(np.float64), float(rows["lower"].iloc[past])
    first = first_below(trust[past + 1 :], limit)
    if first is None:
        return None
    batch = str(rows["batch"].iloc[past + 1 + first])
    return Alarm("trust", variable, model, batch, _plain(trust[-1]), _plain(limit))


def _plain(number: float) -> float:
    return float(f"{number:.4g}")


#: What each kind of alarm says, given value and limit in per cent, or plain.
_TEXTS: Final = {
    "trust": "trust {value:.3f} is below its interval of a year ago, which began at {limit:.3f}",
    "coverage": "its intervals hold {value:.0%} of outcomes instead of {limit:.0%}",
    "loss": "the loss of the last batch is {value:.2f} times naive's mean, its 95 % range ends at "
    "{limit:.2f}",
}


def describe_alarm(alarm: Mapping[str, Any]) -> str:
    """Return an entry of `training_results.alarms` as a sentence.

    Example:
        >>> entry = {"kind": "coverage", "variable": "gdp", "model": "ensemble"}
        >>> describe_alarm(entry | {"first_batch": "2020-03-01", "value": 0.62, "limit": 0.9})
        'gdp, ensemble, since batch 2020-03-01: its intervals hold 62 % of outcomes instead of 90 %'
    """
    text = _TEXTS[alarm["kind"]].format(value=alarm["value"], limit=alarm["limit"])
    text = text.replace("%", " %").replace("  %", " %")
    return f"{alarm['variable']}, {alarm['model']}, since batch {alarm['first_batch']}: {text}"


def describe_alarms(alarms: Sequence[Mapping[str, Any]], watched: int) -> str:
    """Return one sentence that names the first alarms; empty without any.

    Args:
        alarms: entries of `training_results.alarms`.
        watched: number of rules that are watched. Of many a few have an unusual loss by chance.

    Example:
        >>> describe_alarms([], 20)
        ''
    """
    if not alarms:
        return ""
    listed = "; ".join(describe_alarm(alarm) for alarm in alarms[:LISTED])
    rest = len(alarms) - LISTED
    more = f"; and {rest:,} more: pulse-train status --json has all" if rest > 0 else ""
    count = f"{len(alarms):,} sign{'s' if len(alarms) > 1 else ''} of decay"
    by_chance = f"about {100 * (1 - RANGE) / 2:g} % of rules have an unusual last loss by chance"
    return f"{count}, {watched:,} rules watched ({by_chance}): {listed}{more}"

"""The parts of the `training_results` object about significance, periods and decay."""

from dataclasses import dataclass, field
from typing import Literal

from pulse_assets.result_records import (
    Name,
    _Batch,
    _Count,
    _Date,
    _Model,
    _Record,
    _Share,
    _Skill,
)

Direction = Literal["better", "worse"] | None


@dataclass(frozen=True)
class ModelSignificance(_Record):
    """On how many variables a rule differs from others by more than chance, over all horizons."""

    tested: _Count
    """Variables on which the test against naive is defined."""
    better_than_naive: _Count
    """Variables on which its errors are significantly smaller than naive's."""
    worse_than_naive: _Count
    """Variables on which they are significantly larger."""
    better_than_median: _Count
    """Variables on which its errors are significantly smaller than those of ensemble_median."""
    worse_than_median: _Count
    """Variables on which they are significantly larger."""
    in_confidence_set: _Count
    """Variables whose model confidence set contains it."""
    win_rate_lower: _Share
    """Lower bound of the 90 % interval of win_rate: over resampled variables, of a single one over
    resampled batches; null where undefined.
    """
    win_rate_upper: _Share
    """Upper bound of that interval."""


@dataclass(frozen=True)
class VariableSignificance(_Record):
    """Whether `ensemble` differs from others by more than chance, over all horizons."""

    against_naive: Direction
    """better or worse: its errors differ significantly from naive's; null: no more than by chance.
    """
    p_naive: _Share
    """Probability of the test against naive, adjusted over the variables; null where undefined."""
    against_median: Direction
    """The same against ensemble_median."""
    p_median: _Share
    """Probability of the test against ensemble_median, adjusted over the variables."""
    confidence_set: list[str]
    """Rules that cannot be told from the best one, in order of name; with a probability of 90 % the
    best one is among them.
    """


@dataclass(frozen=True)
class Significance(_Record):
    """Whether rules differ by more than chance; the table `significance` has all tests."""

    level: _Share = 0.05
    """Largest false discovery rate over variables of a significant difference."""
    confidence: _Share = 0.9
    """Probability with which a confidence set contains the best rule."""
    draws: _Count = 999
    """Resampled histories behind confidence sets and intervals of win rates."""
    models: dict[str, ModelSignificance] = field(default_factory=dict)
    """By rule; `ar_with_*` counts each rule on a leading indicator of each variable."""
    variables: dict[str, VariableSignificance] = field(default_factory=dict)
    """Of `ensemble`, by variable."""


@dataclass(frozen=True)
class Alarm(_Record):
    """A sign that a rule decays: `ensemble`, or a rule with at least a tenth of its weight."""

    kind: Literal["coverage", "loss", "trust"]
    """coverage: its intervals hold too few or too many outcomes, by a CUSUM chart. loss: that of
    the last batch is above the 95 % range of its own 120 losses before. trust: it is below its
    interval of a year ago.
    """
    variable: Name
    """Name of the series."""
    model: _Model
    first_batch: _Batch
    """The first bad batch: since then it has been so."""
    value: float
    """Share of outcomes covered since then; loss per pair over that of naive; or trust."""
    limit: float
    """Nominal coverage; upper end of the range; or lower bound of the interval."""


Kind = Literal["year", "recession", "cycle", "volatility", "file"]


@dataclass(frozen=True)
class PeriodResult(_Record):
    """The scores of `ensemble` in one period over all variables, and the best rule."""

    kind: Kind
    """year; recession: one of NBER's; cycle: all recessions, and expansions; volatility: calm and
    crisis; file: a period of the user.
    """
    period: Name
    """Name of the period."""
    start: _Date | None
    """Its first day, ISO 8601; null: it has no days of its own."""
    end: _Date | None
    """Its last day."""
    n: _Count
    """Verified pairs of the ensemble."""
    skill: _Skill
    coverage: _Share
    """Share of observations inside the ensemble's interval."""
    best_model: str | None
    """Rule of highest skill among those that predicted 95 % of the pairs that naive predicted."""
    best_skill: _Skill

"""The parts of the `training_results` object as records; `results.py` describes the whole.

The stages that compute the results return these records, or take their columns from them. They are
plain dataclasses, because a check of their fields takes long to prepare: pydantic checks them where
a `ResultsDocument` is read. Undefined numbers (no pair, zero scale, no `naive` to compare with) are
None. The text below a field is its description in the schema.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import ConfigDict, Field

SCHEMA_VERSION: Final = 5

Severity = Literal["ERROR", "WARN"]

Name = Annotated[str, Field(min_length=1)]
_Count = Annotated[int, Field(ge=0)]
_Amount = Annotated[float, Field(ge=0)]
_Share = Annotated[float, Field(ge=0, le=1)] | None
_Error = Annotated[float, Field(ge=0)] | None
_Date = Annotated[str, Field(json_schema_extra={"format": "date"})]

_Batch = Annotated[
    _Date, Field(description="Partition key: first day of the batch's window, ISO 8601.")
]
_Model = Annotated[Name, Field(description="Name of the forecasting rule.")]
_Skill = Annotated[
    Annotated[float, Field(le=1)] | None,
    Field(
        description="1 - geometric mean over (variable, horizon) of the sum of absolute errors "
        "relative to naive's over the same pairs (those for which both have a forecast), each "
        "ratio clipped to 0.01..100; 0 / 0 is 1. 1 is perfect, 0 as good as naive, below 0 worse."
    ),
]
_Mase = Annotated[
    _Error,
    Field(
        description="Mean absolute scaled error over all verified pairs; 1 is the error of the "
        "seasonal naive rule in the past."
    ),
]


class _Record:
    """A record that can be read like the JSON object: `record["batch"]` is `record.batch`."""

    #: The text below a field is its description.
    __pydantic_config__: ClassVar = ConfigDict(use_attribute_docstrings=True)

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - the type of the field
        if name not in {part.name for part in fields(self)}:  # pyright: ignore[reportArgumentType]
            raise KeyError(name)
        return getattr(self, name)


@dataclass(frozen=True)
class CheckOutcome(_Record):
    """The result of one asset check."""

    name: Name
    """Name of the check."""
    asset: Name
    """Asset that the check is shown on."""
    severity: Severity
    """ERROR: a failure makes the run unsuccessful. WARN: it is shown as a warning."""
    passed: bool | None
    """Whether the check passed; null when it was not run for these batches."""
    message: str = ""
    """What the check found, in one sentence; empty when it passed."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """The values that the check compared, by name."""


@dataclass(frozen=True)
class BatchCounts(_Record):
    """Counts of batches; a batch is a window of target dates."""

    total: _Count
    """Batches that ran: completed + skipped + failed."""
    completed: _Count
    """Batches that were predicted and scored."""
    skipped: _Count
    """Batches in which nothing could be predicted."""
    failed: _Count
    """Batches that ended in an error."""
    success_rate: _Share
    """completed / (completed + failed), 0..1; null when both are 0."""
    not_run: _Count
    """Batches of the grid that no run has tried yet."""


@dataclass(frozen=True)
class VariableResult(_Record):
    """A predicted series, described by its ensemble."""

    trust: _Share
    """Trust of `ensemble` after the last batch: the probability that it is closer than `naive` on
    the same pair, over all horizons, recent batches counting more. `naive` has 0.5.
    """
    trust_lower: _Share
    """Lower bound of the 90 % credible interval of trust."""
    trust_upper: _Share
    """Upper bound of the 90 % credible interval of trust."""
    skill: _Skill
    best_model: str | None
    """The model, ensembles included, of lowest mase among those with a forecast for every pair that
    `naive` predicts.
    """
    mase: _Mase
    n: _Count
    """Verified pairs of the ensemble."""


@dataclass(frozen=True)
class Variables(_Record):
    """The predicted series."""

    total: _Count
    """Variables that were scored in at least one batch."""
    never_predicted: list[Name]
    """Variables that no batch predicts, sorted."""
    trust_scores: dict[str, _Share]
    """Trust of `ensemble` after the last batch, 0..1, by variable."""
    details: dict[str, VariableResult]
    """More about each variable."""


@dataclass(frozen=True)
class VariablePublication(_Record):
    """When the values of a series were public, and how often they were revised."""

    publication: Literal["published_at", "assumed"]
    """published_at: the source has the day of publication of some values at least. assumed: of
    none; a value then counts as public `lag_days` after the end of its period.
    """
    assumed: _Count
    """Dates of the series whose day of publication is assumed."""
    lag_days: _Count | None
    """Days from the end of a period to the assumed publication of its value; null where none is
    assumed.
    """
    releases: _Count
    """Values that were released, later ones that change a value included."""
    revised: _Count
    """Dates whose value was changed after its first release."""


@dataclass(frozen=True)
class ModelResult(_Record):
    """A row of a leaderboard: the scores of one rule.

    A field with the name of a score in `METRICS` is that score, pooled over all batches.
    """

    model: _Model
    mase: _Mase
    rmsse: _Error
    """Root mean squared scaled error over all verified pairs; 1 is the error of one-step
    persistence in the past.
    """
    skill: _Skill
    win_rate: _Share
    """Share of (variable, horizon) on which the sum of the model's absolute errors is smaller than
    naive's over the same pairs; a draw counts half.
    """
    coverage: _Share
    """Share of observations inside the model's interval, bounds included."""
    sql: _Error
    """Scaled quantile loss: twice the mean pinball loss over levels and pairs, each divided by the
    mase denominator.
    """
    pinball: _Error
    """Mean pinball loss over levels and pairs, in the unit of the variable; null over several."""
    wis: _Error
    """Weighted interval score, in the unit of the variable: twice `pinball`; null over several
    variables, and where the levels are not symmetric with the median.
    """
    trust: _Share
    """Probability of being closer than `naive` on the same pair, after the last batch and over all
    horizons; over several variables their mean.
    """
    trust_lower: _Share
    """Lower bound of the 90 % credible interval of trust; over several variables the mean of their
    bounds.
    """
    trust_upper: _Share
    """Upper bound of the 90 % credible interval of trust; over several variables the mean of their
    bounds.
    """
    weight: _Share
    """Mean share of the rule in `ensemble`; null for the ensembles."""
    worth: float | None
    """By how much larger the error of `ensemble` would be without the rule, its weight shared out
    among the others: 0.01 is 1 % larger, below 0 smaller. The geometric mean over (variable,
    horizon) of the ratios, each clipped to 0.01..100, minus 1; null for the ensembles, and for
    `ar_with_*`, which are several rules.
    """
    n: _Count
    """Verified pairs with a forecast."""
    missing: _Count
    """Pairs for which the rule had no forecast."""
    partial: bool
    """Whether the rule predicted less than 95 % of the pairs that `naive` predicted, or none at
    some variable and horizon, so that its scores are of other pairs; such rules are last. Rules on
    leading indicators do, rules that need positive values, and somebody else's forecasts of fewer
    horizons or years: no fault, but silence.
    """


@dataclass(frozen=True)
class QuantileCounts(_Record):
    """How many outcomes lay below the quantiles."""

    n: _Count
    """Verified pairs with quantiles."""
    below: list[_Share]
    """Share of them below the quantile of each level, which should be near the level. An outcome
    that equals the quantile counts as much as the level.
    """
    pit: list[_Amount]
    """Outcomes up to the first quantile, between neighbouring ones, and above the last: the
    histogram of the probability integral transform.
    """


@dataclass(frozen=True)
class Calibration(_Record):
    """Whether quantiles mean what they say."""

    levels: list[_Share]
    """Levels of the quantiles, ascending."""
    models: dict[str, QuantileCounts]
    """By model, over all variables."""
    variables: dict[str, QuantileCounts]
    """Of `ensemble`, by variable."""


@dataclass(frozen=True)
class Costs(_Record):
    """What the batches of the last run cost.

    Blocks of batches are measured, which share a walk over their history. A batch counts an equal
    share of its block.
    """

    batches: _Count = 0
    """Batches that are counted, without those that lost their worker. One computed earlier counts
    what it took to find that; its first cost is in the metadata of its earlier materialization.
    """
    processor_seconds: _Amount = 0.0
    """Processor seconds of the threads that computed the batches, and of the processes of users'
    rules, of which those that ended early are not known.
    """
    bytes_read: _Amount = 0
    """Bytes of the objects and files that were read."""
    bytes_written: _Amount = 0
    """Bytes of the objects that were written."""
    requests: _Amount = 0
    """Requests to S3, repeated ones included; files opened and folders listed in a directory."""
    peak_memory_bytes: _Count | None = None
    """Largest resident memory that a process which computed batches has had; null if unknown. With
    one worker of one thread that process is the run's own.
    """


@dataclass(frozen=True)
class Performance(_Record):
    """How long the run took."""

    duration_seconds: _Amount
    """Wall time of the batches of the last run, in seconds: from the moment when the first one was
    handed out until the last one was recorded. The time before and after is not part of it.
    """
    estimated_sequential_time: _Amount
    """Sum of the seconds of each batch."""
    speedup_factor: _Error
    """estimated_sequential_time / duration_seconds; null when the duration is 0."""
    command_seconds: _Error = None
    """Wall time of `pulse-train`, in seconds, from the start of its process until it prints these
    results; null in the store, where they are written before the command ends.
    """
    phases: dict[str, float] = field(default_factory=dict)
    """Seconds of each phase of `pulse-train`; their sum is command_seconds. Empty in the store."""
    processor_phases: dict[str, float] = field(default_factory=dict)
    """Processor seconds of the command's own process by phase; without those of workers, and of
    other processes that it starts. Empty in the store.
    """
    costs: Costs | None = None
    """What the batches cost; null where Dagster's records lack it, as those of an older version."""

    @classmethod
    def of(cls, duration: float, sequential: float, costs: Costs | None = None) -> "Performance":
        """Return the performance of a run.

        Args:
            duration: seconds that the batches took.
            sequential: seconds that they would take one after another.
            costs: what they cost.

        Example:
            >>> Performance.of(2.0, 6.0).speedup_factor
            3.0
        """
        speedup = sequential / duration if duration > 0 else None
        return cls(duration, sequential, speedup, costs=costs)


@dataclass(frozen=True)
class BatchError(_Record):
    """A failed batch."""

    batch: _Batch
    type: Name
    """Class of the error."""
    message: str
    """Message of the error."""


@dataclass(frozen=True)
class SkippedBatch(_Record):
    """A batch in which nothing could be predicted."""

    batch: _Batch
    reason: str
    """Why nothing was predicted."""


@dataclass(frozen=True)
class SkippedVariable(_Record):
    """Batches that do not predict a variable for one reason, with the first and the last."""

    variable: Name
    """Name of the series."""
    reason: str
    """Why it is not predicted."""
    count: _Count
    """Batches that leave it out for this reason."""
    first: _Batch
    last: _Batch


@dataclass(frozen=True)
class RuleErrors(_Record):
    """Equal errors of one rule; it has no forecast where it failed."""

    model: _Model
    type: str
    """Class of the error."""
    message: str
    """Message of the error."""
    count: _Count
    """Origins from which the rule failed."""
    batches: _Count
    """Batches in which the rule failed."""
    variable: Name
    """Variable of the first of these origins."""
    first_origin: _Date
    """The first of these origins, ISO 8601."""


@dataclass(frozen=True)
class RevisionResult(_Record):
    """What revisions of a variable do to the skill of one rule."""

    model: _Model
    skill: _Skill
    """Skill in real time: from what was public when each forecast could be made, against the
    release that score_against names.
    """
    skill_against_latest: _Skill
    """Skill of the same forecasts against the newest release of each outcome."""
    skill_on_latest: _Skill
    """Skill that a test promises which knows the newest releases alone: forecasts from them,
    against them. Null for rules that are not built in, and for ensembles of such rules.
    """
    revision_tax: float | None
    """skill_on_latest - skill: what such a test promises too much."""
    n: _Count
    """Verified pairs with a forecast."""


@dataclass(frozen=True)
class GivenModel(_Record):
    """A model whose forecasts somebody else has made; it is judged like a rule."""

    model: Name
    """Name of the model, in leaderboards too."""
    file: Name
    """File of the source that holds the forecasts."""
    rows: _Count
    """Forecasts in the file, quantiles included."""
    variables: _Count
    """Variables that it predicts."""
    first_target: _Date
    """First date that it predicts, ISO 8601."""
    last_target: _Date
    """Last date that it predicts, ISO 8601."""

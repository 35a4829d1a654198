"""The model of the results of a training: the `training_results` object.

`ResultsDocument` is the one description of the object; its parts are in `result_records.py`.
`training_results.schema.json` is written from it by

    python -m pulse_assets.results_schema

`TrainingResults` in Python holds one. The text below a field is its description in the schema.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pulse_assets.evaluation_records import Alarm, PeriodResult, Significance
from pulse_assets.result_records import (
    SCHEMA_VERSION,
    BatchCounts,
    BatchError,
    Calibration,
    CheckOutcome,
    Costs,
    GivenModel,
    ModelResult,
    Name,
    Performance,
    RevisionResult,
    RuleErrors,
    Severity,
    SkippedBatch,
    SkippedVariable,
    VariablePublication,
    VariableResult,
    Variables,
)

__all__ = [
    "SCHEMA_VERSION",
    "Alarm",
    "BatchCounts",
    "BatchError",
    "Calibration",
    "CheckOutcome",
    "Costs",
    "GivenModel",
    "ModelResult",
    "Performance",
    "PeriodResult",
    "ResultsDocument",
    "RevisionResult",
    "RuleErrors",
    "Severity",
    "Significance",
    "SkippedBatch",
    "SkippedVariable",
    "VariablePublication",
    "VariableResult",
    "Variables",
]


class ResultsDocument(BaseModel):
    """The `training_results` object: all batches of one training in one document.

    Scores and trust have 6 significant digits; those that are undefined (no pair, zero scale, no
    naive to compare with) are null. Skill by horizon is the table `skill_by_horizon`. New
    properties may be added within a version; none is renamed, removed or given another meaning.
    """

    model_config = ConfigDict(
        frozen=True,
        title=f"training_results of pulse_assets, version {SCHEMA_VERSION}",
        use_attribute_docstrings=True,
        defer_build=True,
    )

    schema_version: Literal[5]
    """Version of this schema."""
    success: bool
    """Whether every check of severity ERROR that was run has passed."""
    problems: list[Name]
    """One sentence for each failed check of severity ERROR."""
    checks: list[CheckOutcome]
    """The asset checks of the run; for aggregates that were computed alone, the latest recorded
    ones of the same configuration and store.
    """
    batches: BatchCounts
    variables: Variables
    models: list[ModelResult]
    """Leaderboard over all variables, the highest skill first; `ar_with_*` stands for all rules on
    leading indicators, because each variable has other ones.
    """
    models_by_variable: dict[str, list[ModelResult]]
    """The same leaderboard for each variable alone."""
    calibration: Calibration
    """How often outcomes lay below each quantile."""
    significance: Significance = Field(default_factory=Significance)
    """Which differences are more than chance."""
    alarms: list[Alarm] = Field(default_factory=list)
    """Signs of decay, those of `ensemble` first, then in order of variable and rule."""
    watched_rules: int = 0
    """How many rules are watched for decay, one per variable and rule: `ensemble`, and those with a
    tenth of its weight or more in the last batch. Some of many have an unusual last loss by chance.
    """
    periods: list[PeriodResult] = Field(default_factory=list)
    """Scores by period, over all variables; the table `scores_by_period` has each rule and
    variable.
    """
    reasons: dict[str, list[str]] = Field(default_factory=dict)
    """Why the ensemble trusts the rules that it trusts: sentences by variable."""
    performance: Performance
    dask_cluster: dict[str, Any]
    """The Dask cluster that ran the batches; empty without one."""
    errors: list[BatchError]
    """The failed batches, in order of batch."""
    skipped: list[SkippedBatch]
    """The skipped batches, in order of batch."""
    skipped_variables: list[SkippedVariable]
    """Variables that batches leave out, one entry per variable and reason, the most frequent first.
    """
    rule_errors: list[RuleErrors]
    """Errors that rules raised, one entry per rule and error, the most frequent first."""
    revisions: dict[str, list[RevisionResult]]
    """What revisions do to the skill of each rule, by variable; only variables of which the source
    has several releases.
    """
    publication: dict[str, VariablePublication] = Field(default_factory=dict)
    """When the values of each variable were public, and how often they were revised."""
    given_forecasts: list[GivenModel] = Field(default_factory=list)
    """Models whose forecasts somebody else has made, from files of the source, in order of name."""
    configuration: dict[str, Any]
    """Settings of the run, by name."""
    versions: dict[str, str]
    """Versions of the packages that computed these results, by name."""

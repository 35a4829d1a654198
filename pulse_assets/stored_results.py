"""The results of a training, read from its store: `open_store(uri)`, and what `train` returns.

Small parts are held; tables are read from the store when they are asked for.
"""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Final

from pulse_assets import frames
from pulse_assets.errors import ConfigurationError, StoreError
from pulse_assets.frames import Frame, Horizons, Library, Names
from pulse_assets.result_frames import ResultFrames
from pulse_assets.result_records import SCHEMA_VERSION
from pulse_assets.retrodiction.rules import INDICATORS
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.s3 import S3Settings
from pulse_assets.storage.store import MissingObjectError, Store
from pulse_assets.storage.store import open_store as open_objects
from pulse_assets.storage.tables import decode_table

if TYPE_CHECKING:
    import pandas as pd

    from pulse_assets.result_records import BatchError, RuleErrors, SkippedVariable
    from pulse_assets.results import ResultsDocument

_RESULTS: Final = object_path("training_results", suffix="json")
_REPORT: Final = object_path("training_report", suffix="html")


@dataclass(frozen=True)
class TrainingResults(ResultFrames):
    """The results of a training and where they are stored.

    The methods `retrodictions`, `metrics`, `trust`, `forecasts`, `skipped` and `checks` return data
    frames: of pandas, with dates as `datetime64` and names as categories, or `to="arrow"` or
    `to="polars"`. They read the wanted rows from the store when they are called. Batches that
    another configuration computed are left out.

    Attributes:
        data: the `training_results` object as plain values, as it is stored.
        results_path: path or address of the stored object.
        report_path: path or address of the HTML report.
        success: whether the run succeeded and every check of severity ERROR passed: no batch and
            no rule failed, every variable was predicted, no rule looks ahead, the tables are whole.
        store: where the tables of the training are.
        message: why the training did not succeed, in one sentence per failed check; else empty.
    """

    data: Mapping[str, Any]
    results_path: str
    report_path: str
    success: bool
    store: Store
    message: str = ""

    @classmethod
    def read(
        cls, store: Store, *, success: bool = True, failures: Sequence[str] = ()
    ) -> "TrainingResults":
        """Read the results that a store has.

        Args:
            store: the store.
            success: whether their run succeeded.
            failures: why it did not, unless the results say so.

        Raises:
            MissingObjectError: there are none.
            StoreError: they cannot be read.
        """
        data = _decoded(store.read(_RESULTS), f"{store.uri}/{_RESULTS}")
        return cls(
            data=data,
            results_path=f"{store.uri}/{_RESULTS}",
            report_path=f"{store.uri}/{_REPORT}",
            success=success and data["success"],
            store=store,
            message="; ".join(data["problems"] or failures),
        )

    @cached_property
    def document(self) -> "ResultsDocument":
        """The same object with a type for each field: `results.document.batches.completed`."""
        from pulse_assets.results import ResultsDocument

        return ResultsDocument.model_validate(self.data)

    @property
    def models(self) -> "pd.DataFrame":
        """The leaderboard over all variables, one row per model, best skill first."""
        import pandas as pd

        return pd.DataFrame(self.data["models"])

    @cached_property
    def skill_by_horizon(self) -> "pd.DataFrame":
        """Skill, trust and mase by variable, model and horizon; variable None: over all of them.

        It is read from the store when it is first used.
        """
        return self._table("skill_by_horizon")

    @cached_property
    def significance(self) -> "pd.DataFrame":
        """Tests against `naive` and `ensemble_median`, and the model confidence sets.

        One row per variable, model and horizon; horizon None: over all of them. The columns are
        described by the asset `significance`. It is read from the store when it is first used.
        """
        frame = self._table("significance")
        return frame.assign(horizon=frame["horizon"].astype("Int32"))

    @cached_property
    def scores_by_period(self) -> "pd.DataFrame":
        """Scores by year, recession, calm and crisis, and the periods of `periods`.

        One row per period, variable and model; variable None: over all of them. The scores of a
        year are `query("kind == 'year' and period == '2008'")`. It is read from the store when it
        is first used.
        """
        frame = self._table("scores_by_period")
        return frame.astype({"kind": object, "period": object})

    @property
    def reasons(self) -> Mapping[str, Sequence[str]]:
        """Why the ensemble trusts the rules that it trusts: sentences by variable."""
        return self.data["reasons"]

    def _table(self, asset: str) -> "pd.DataFrame":
        """Return the table of an asset without partitions, names as text."""
        path = object_path(asset)
        data, name = self.store.read(path), f"{self.store.uri}/{path}"
        frame = decode_table(data, asset, name=name).to_pandas()
        names = frame[["variable", "model"]].astype(object)
        return frame.assign(**names.where(names.notna(), None))

    def as_of(self, day: str | date, *, to: Library = "pandas") -> Frame:
        """Return what would have been forecast on a day, from what was public then.

        The columns are those of `forecasts`. Trust is that of the batches whose outcomes were
        public on the day. It is computed from the source, which must be where it was; nothing is
        stored. A series that ended early, a rule that failed, and trust of another configuration
        are warnings (`UserWarning`); a variable without forecasts is a row without a model.

        Args:
            day: a date, or a text like 2008-09-15.
            to: `pandas`, `arrow` or `polars`.

        Raises:
            ConfigurationError: the day lies before the first batch or in the future.
            HistoricalDataError: the source cannot be read, or no variable had enough history.
            StoreError: the stored metrics cannot be read.
        """
        from pulse_assets.as_of import forecast_as_of

        forecasts = forecast_as_of(self.tables.settings, self.tables.options, day)
        for caveat in forecasts.caveats:
            warnings.warn(caveat, stacklevel=2)
        return frames.to_frame(frames.with_levels(forecasts.table, self.tables.levels), to)

    def to_nixtla(
        self, *, variable: Names = None, model: Names = None, horizon: Horizons = None
    ) -> "pd.DataFrame":
        """Return the retrodictions as Nixtla's `cross_validation` does: a column per model.

        Columns `unique_id`, `ds`, `cutoff` (the origin), `y` (the outcome), each model, and its
        intervals such as `ensemble-lo-90` and `ensemble-hi-90`. Arguments and errors are those of
        `retrodictions`. Rules on leading indicators have columns if `model` names them: each
        variable has other ones, so that of hundreds almost every cell would be empty.
        """
        from pulse_assets.exports.nixtla import nixtla_frame

        if model is None:
            model = [row["model"] for row in self.data["models"] if row["model"] != INDICATORS]
        rows = self.retrodictions(variable=variable, model=model, horizon=horizon)
        return nixtla_frame(rows, self.tables.levels)

    def to_hubverse(
        self, *, variable: Names = None, model: Names = None, horizon: Horizons = None
    ) -> "pd.DataFrame":
        """Return the quantiles of the retrodictions as hubverse has model outputs.

        One row per forecast and level, `output_type` quantile. Arguments and errors are those of
        `retrodictions`.
        """
        from pulse_assets.exports.hubverse import hubverse_frame

        rows = self.retrodictions(variable=variable, model=model, horizon=horizon)
        return hubverse_frame(rows, self.tables.levels)

    def to_fev(
        self, *, variable: Names = None, model: Names = None, horizon: Horizons = None
    ) -> "pd.DataFrame":
        """Return the scores as evaluation summaries of fev, for `fev.leaderboard` and others.

        Each variable and horizon is a task; `test_error` is the mean absolute error. Models that
        lack a forecast of some pair are left out, unless `model` names them: at such a task they
        have failed. Arguments and errors are those of `retrodictions`.
        """
        from pulse_assets.exports.fev import fev_summaries
        from pulse_assets.history.frequency_names import get_frequency
        from pulse_assets.stages.pooling import POOLED_COLUMNS, add_up
        from pulse_assets.stages.variable_history import MINIMUM_HISTORY

        wanted = self._wanted(variable, model, horizon)
        parts = self.tables.parts("batch_metrics", self.tables.keys, POOLED_COLUMNS)
        frequencies = self.data["configuration"]["frequencies"]
        return fev_summaries(
            add_up(parts),
            wanted=wanted,
            levels=self.tables.levels,
            seasons={name: get_frequency(text).season for name, text in frequencies.items()},
            least=MINIMUM_HISTORY,
        )

    @property
    def trust_scores(self) -> dict[str, float | None]:
        """Trust of `ensemble` by variable after the last batch, 0..1; None if undefined."""
        return self.document.variables.trust_scores

    @property
    def errors(self) -> "list[BatchError]":
        """The failed batches."""
        return self.document.errors

    @property
    def warnings(self) -> list[str]:
        """Messages of failed checks that warn, although the training may have succeeded."""
        from pulse_assets.stages.outcome import warnings_of

        return warnings_of(self.data)

    @property
    def skipped_variables(self) -> "list[SkippedVariable]":
        """Variables that batches leave out, and why."""
        return self.document.skipped_variables

    @property
    def rule_errors(self) -> "list[RuleErrors]":
        """Errors that rules raised."""
        return self.document.rule_errors


def _decoded(content: bytes, place: str) -> dict[str, Any]:
    """Return the results object.

    Raises:
        StoreError: it is damaged, or of another version of this package.
    """
    again = "run pulse-train --resume over its dates"
    try:
        data = json.loads(content)
        version = data["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{place}: damaged: {again}") from error
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"{place}: has version {version} of the schema of results, this version of "
            f"pulse_assets reads {SCHEMA_VERSION}: {again}"
        )
    return data


def open_store(
    uri: str | PathLike[str],
    *,
    aws_region: str | None = None,
    aws_profile: str | None = None,
    s3_endpoint_url: str | None = None,
    s3_requester_pays: bool = False,
) -> TrainingResults:
    """Return the results of the training that a store holds; nothing is computed.

    Args:
        uri: a directory or s3://bucket/prefix.
        aws_region: region of the bucket; None: as AWS is configured.
        aws_profile: profile of the credentials; None: as AWS is configured.
        s3_endpoint_url: address of an S3-compatible server; None: AWS.
        s3_requester_pays: pay for the requests to a bucket that bills its readers.

    Raises:
        ConfigurationError: `uri` is neither a directory nor an address of S3.
        MissingObjectError: no training has ended there.
        StoreError: the store cannot be read.
    """
    place = S3Settings(aws_region, aws_profile, s3_endpoint_url, s3_requester_pays)
    try:
        return read_results(open_objects(fspath(uri), place))
    except TypeError as error:
        raise ConfigurationError(f"{uri!r}: is neither a path nor an s3:// address") from error


def read_results(store: Store) -> TrainingResults:
    """Return the results that a store holds.

    Raises:
        MissingObjectError: no training has ended there.
        StoreError: the store cannot be read.
    """
    try:
        return TrainingResults.read(store)
    except MissingObjectError as error:
        raise MissingObjectError(
            f"{store.uri} holds no results of a training: correct the address, or run pulse-train "
            "(report --rebuild if batches are there)"
        ) from error

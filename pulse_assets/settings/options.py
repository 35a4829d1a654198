"""What can be set: `Settings` of a deployment, `TrainingOptions` of a run, `TrainingConfig`: both.

A value is checked once, here; whatever holds one of these models may trust it. The per-run options
are also the fields of the Dagster resource `training`, so the launchpad shows the same texts.
"""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from pulse_assets.batches.windows import Cadence
from pulse_assets.errors import ConfigurationError
from pulse_assets.history.frequency import get_frequency
from pulse_assets.history.readers import MAX_BYTES
from pulse_assets.history.source import Source, check_variable_name, open_source
from pulse_assets.retrodiction.ensemble import Method
from pulse_assets.retrodiction.hosted_rules import RULE_TIMEOUT
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, RULES
from pulse_assets.settings.checked import Checked
from pulse_assets.settings.environment import check_unread
from pulse_assets.settings.processors import usable_processors
from pulse_assets.storage.address import address_fault
from pulse_assets.storage.s3 import S3Settings

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

#: Bounds that keep every date computed from them within the calendar.
_EARLIEST: Final = date(1000, 1, 1)
_LATEST: Final = date(9000, 1, 1)
_CENTURY: Final = 36525
#: Steps ahead at most: ten years of days. More would need a history of as many observations.
_LONGEST_HORIZON: Final = 3650

#: Longest time of a rule in a batch: a week.
MOST_SECONDS: Final = 604_800


class Settings(Checked):
    """Where data lies and which batches exist: one value a deployment.

    Example:
        >>> Settings(batch_size_days=7).batch_size_days
        7
    """

    store: str = Field(
        default_factory=lambda: str(dagster_home() / "store"),
        description="directory or s3://bucket/prefix of the results; "
        "default: store in DAGSTER_HOME",
    )
    source: str = Field(
        default="sample",
        description="directory or s3://bucket/prefix of historical_<variable>.csv|json|parquet, "
        "or `sample` for the bundled series",
    )
    max_source_bytes: int = Field(
        default=MAX_BYTES,
        ge=1,
        description="largest source file that is read, in bytes; a Parquet file when unpacked",
    )
    start_date: date = Field(
        default=date(1990, 1, 1), ge=_EARLIEST, description="first day that is predicted"
    )
    end_date: date | None = Field(
        default=date(2022, 12, 31),
        le=_LATEST,
        description="last day that is predicted, or `today` for the windows that have ended by now",
    )
    batch_size_days: int = Field(
        default=30, ge=1, le=_CENTURY, description="days in the window of target dates of a batch"
    )
    batch_cadence: Cadence | None = Field(
        default=None,
        description="calendar windows in place of batch_size_days: weekly, monthly, quarterly or "
        "yearly; with end_date `today` their number grows as time passes",
    )
    batch_limit: int | None = Field(
        default=None, ge=1, description="keep only the first so many batches; default: all"
    )
    max_batches_per_run: int | None = Field(
        default=None,
        ge=1,
        description="most batches in one run of a backfill from the UI; default: all of them",
    )
    aws_region: str | None = Field(default=None, description="AWS region of the S3 buckets")
    aws_profile: str | None = Field(default=None, description="AWS profile of the credentials")
    s3_endpoint_url: str | None = Field(
        default=None, description="address of an S3-compatible server; default: AWS"
    )
    code_url: str | None = Field(
        default=None,
        description="Git repository on the web that code links in the UI lead to; default: "
        "the files of this machine",
    )
    report_url: str | None = Field(
        default=None, description="address at which browsers find the report, for links in the UI"
    )

    ENVIRONMENT: ClassVar[Mapping[str, str]] = {
        "PULSE_STORE": "store",
        "PULSE_SOURCE": "source",
        "PULSE_MAX_SOURCE_BYTES": "max_source_bytes",
        "PULSE_START_DATE": "start_date",
        "PULSE_END_DATE": "end_date",
        "PULSE_BATCH_SIZE_DAYS": "batch_size_days",
        "PULSE_MAX_BATCHES_PER_RUN": "max_batches_per_run",
        "PULSE_BATCH_CADENCE": "batch_cadence",
        "PULSE_CODE_URL": "code_url",
        "PULSE_REPORT_URL": "report_url",
        "AWS_REGION": "aws_region",
        "AWS_PROFILE": "aws_profile",
        "AWS_ENDPOINT_URL_S3": "s3_endpoint_url",
    }

    @field_validator("store", "source")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if fault := address_fault(value):
            raise ValueError(fault)
        if value == "sample" or value.startswith("s3://"):
            return value
        # Workers may have another working directory.
        return str(Path(value).expanduser().absolute())

    @field_validator("start_date", "end_date", mode="before")
    @classmethod
    def _no_number(cls, value: object) -> object:
        """Refuse a number, which pydantic would take as seconds since 1970."""
        if isinstance(value, int | float) or (isinstance(value, str) and _is_number(value)):
            raise ValueError("must be a date like 2020-01-31")
        return value

    @field_validator("end_date", mode="before")
    @classmethod
    def _open_end(cls, value: object) -> object:
        return None if value == "today" else value

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end_date is None and self.last_day < self.start_date:
            raise ValueError(
                f"start_date {self.start_date} must lie before end_date, which is today: correct it"
            )
        if self.last_day < self.start_date:
            raise ValueError(
                f"end_date {self.last_day} lies before start_date {self.start_date}: "
                "swap them or correct one"
            )
        return self

    @property
    def last_day(self) -> date:
        """The last day that may be predicted; yesterday (UTC) if the end is open."""
        return self.end_date or datetime.now(UTC).date() - timedelta(days=1)

    @property
    def batch_length(self) -> int | Cadence:
        """What tells batches of this grid from those of another: their days or their cadence."""
        return self.batch_cadence or self.batch_size_days

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the settings of a deployment from PULSE_* and AWS_* variables; unset means default.

        Raises:
            ConfigurationError: a variable holds a value that cannot be used.
        """
        return cls(**cls.in_environment(os.environ if environment is None else environment))

    @classmethod
    def in_environment(cls, environment: Mapping[str, str]) -> dict[str, Any]:
        """Return the fields that the environment sets, unchecked.

        Raises:
            ConfigurationError: a variable looks like one of them but is not read.
        """
        check_unread(environment, cls.ENVIRONMENT, TrainingConfig.model_fields)
        return {
            field: environment[name]
            for name, field in cls.ENVIRONMENT.items()
            if environment.get(name)
        }

    @property
    def s3(self) -> S3Settings:
        """How to reach S3; credentials are found the AWS way and never held here."""
        return S3Settings(
            region=self.aws_region, profile=self.aws_profile, endpoint_url=self.s3_endpoint_url
        )

    def open_source(self) -> Source:
        """Return the source; nothing is read yet."""
        return open_source(self.source, self.s3, self.max_source_bytes)


class TrainingOptions(Checked):
    """What one run predicts, by which rules, and when it counts as failed."""

    variables: list[str] | None = Field(
        default=None, description="series to predict; default: every one that the source has"
    )
    horizons: list[int] = Field(
        default=[1, 2, 3, 6, 12],
        description=f"whole steps ahead to predict, 1 to {_LONGEST_HORIZON}, in the frequency of "
        "each variable",
    )
    models: list[str] | None = Field(
        default=None,
        description=f"rules: {', '.join(RULES)}, package.module:Class or statsforecast:<model>; "
        f"default: {', '.join(DEFAULT_MODELS)}",
    )
    history_days: int = Field(
        default=7305,
        ge=1,
        le=5 * _CENTURY,
        description="days before its window that a batch may look back",
    )
    interval_level: float = Field(
        default=0.9, gt=0, lt=1, description="nominal coverage of the intervals, 0..1"
    )
    ensemble: Method = Field(
        default="dmsfe", description="how `ensemble` weighs the rules: dmsfe, boa or mlpol"
    )
    max_partners: int = Field(
        default=3, ge=0, description="most other variables whose lags may help to predict one"
    )
    frequencies: dict[str, str] = Field(
        default={},
        description="variable to frequency (daily, business_daily, weekly, monthly, quarterly, "
        "yearly) where its dates do not tell; default: decided once from all dates of the series",
    )
    trust_discount: float = Field(
        default=0.98, gt=0, le=1, description="share of past evidence that trust keeps a batch"
    )
    on_rule_error: Literal["skip", "fail"] = Field(
        default="skip",
        description="what a rule that fails costs: skip: its own forecasts, fail: the whole batch",
    )
    rule_timeout_seconds: float = Field(
        default=RULE_TIMEOUT,
        gt=0,
        le=MOST_SECONDS,
        description="seconds that a rule which is not built in may take in one batch; what it has "
        "not forecast by then is missing",
    )
    max_failed_batches: int = Field(
        default=0, ge=0, description="failed batches that a run may have and still succeed"
    )
    resume: bool = Field(
        default=False,
        description="recompute only batches that are missing, failed or made of other input, "
        "configuration or code",
    )

    @field_validator("variables", "models", "horizons")
    @classmethod
    def _not_empty_nor_twice(cls, value: list[Any] | None) -> list[Any] | None:
        if value is not None and not value:
            raise ValueError("names none: give at least one")
        if value is not None and len(set(value)) < len(value):
            raise ValueError("names one twice: give each once")
        return value

    @field_validator("variables")
    @classmethod
    def _sorted_variables(cls, value: list[str] | None) -> list[str] | None:
        for name in value or []:
            check_variable_name(name)
        return sorted(value) if value else value

    @field_validator("horizons")
    @classmethod
    def _whole_steps(cls, value: list[int]) -> list[int]:
        if min(value) < 1:
            raise ValueError("holds a horizon below 1: a horizon is a whole number of steps ahead")
        if max(value) > _LONGEST_HORIZON:
            raise ValueError(
                f"holds the horizon {max(value)}: choose horizons of at most {_LONGEST_HORIZON} "
                "steps"
            )
        return sorted(value)

    @field_validator("frequencies")
    @classmethod
    def _known_frequencies(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value.values():
            try:
                get_frequency(name)
            except ConfigurationError as error:
                raise ValueError(f"cannot be used: {error}") from error
        return value


class TrainingConfig(Settings, TrainingOptions):
    """All that `train` and `pulse-train` take: a deployment, a run and where it computes.

    Example:
        >>> TrainingConfig(variables=["gdp_growth"], batch_limit=10).options().variables
        ['gdp_growth']
    """

    max_workers: int = Field(
        default_factory=usable_processors,
        ge=1,
        description="worker processes; 1 computes in the run's own process; default: one per "
        "processor this process may use",
    )
    use_dask: bool = Field(
        default=False,
        description="use a Dask cluster even for one worker, or join one by its address",
    )
    dask_scheduler_address: str | None = Field(
        default=None, description="scheduler to join, such as tcp://host:8786; goes with use_dask"
    )
    dask_tls_ca_file: Path | None = Field(
        default=None,
        description="certificate authority of a tls:// scheduler, a PEM file; "
        "default: as Dask is configured",
    )
    dask_tls_client_cert: Path | None = Field(
        default=None,
        description="certificate that the run shows to it; default: as Dask is configured",
    )
    dask_tls_client_key: Path | None = Field(
        default=None, description="key of that certificate; default: as Dask is configured"
    )
    dask_dashboard_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="port of the local cluster's dashboard; default: no dashboard",
    )
    dask_threads_per_worker: int = Field(
        default=1, ge=1, description="threads in each process of the local cluster"
    )
    output_file: Path | None = Field(default=None, description="copy of the results, a JSON file")
    s3_output_file: str | None = Field(
        default=None, description="copy of the results, s3://bucket/key"
    )
    log_level: LogLevel = Field(
        default="WARNING",
        description="least severe log lines that the command line shows: DEBUG, INFO, WARNING, "
        "ERROR or CRITICAL (default: the environment's LOG_LEVEL, else WARNING)",
    )
    log_dir: Path | None = Field(
        default=None,
        description="directory of the log file pulse-train.log of the command line (default: the "
        "environment's LOG_DIR, else no file)",
    )

    @model_validator(mode="after")
    def _address_needs_dask(self) -> Self:
        if self.dask_scheduler_address and not self.use_dask:
            raise ValueError(
                f"dask_scheduler_address = {self.dask_scheduler_address!r} is given without "
                "use_dask: add --use-dask (use_dask=True)"
            )
        return self

    @field_validator("dask_tls_ca_file", "dask_tls_client_cert", "dask_tls_client_key")
    @classmethod
    def _is_there(cls, value: Path | None) -> Path | None:
        if value and not value.is_file():
            raise ValueError("is no file: name a PEM file")
        return value

    @field_validator("output_file", mode="before")
    @classmethod
    def _on_this_machine(cls, value: object) -> object:
        if isinstance(value, str | Path) and str(value) and (fault := address_fault(str(value))):
            raise ValueError(fault)
        if isinstance(value, str) and value.startswith("s3://"):
            raise ValueError("is in S3: use s3_output_file (--s3-output-file) for it")
        return value

    @field_validator("output_file")
    @classmethod
    def _names_a_file(cls, value: Path | None) -> Path | None:
        if value and (not value.name or value.is_dir()):
            raise ValueError("is a directory: name a file")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_capitals(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("log_dir", mode="before")
    @classmethod
    def _a_directory(cls, value: object) -> object:
        if not value or not isinstance(value, str | Path):
            return value or None
        if fault := address_fault(str(value)):
            raise ValueError(fault)
        if str(value).startswith("s3://"):
            raise ValueError("is in S3: name a directory of this machine")
        return Path(value).expanduser()

    @field_validator("s3_output_file")
    @classmethod
    def _s3_address(cls, value: str | None) -> str | None:
        if value and (fault := address_fault(value)):
            raise ValueError(fault)
        if value and not re.fullmatch(r"s3://[^/]+/.*[^/]", value):
            raise ValueError("must look like s3://bucket/key")
        return value

    def settings(self) -> Settings:
        """Return the part that fixes the deployment and its partitions."""
        return Settings(**{name: getattr(self, name) for name in Settings.model_fields})

    def options(self) -> TrainingOptions:
        """Return the part that one run may change."""
        return TrainingOptions(
            **{name: getattr(self, name) for name in TrainingOptions.model_fields}
        )


def _is_number(text: str) -> bool:
    with suppress(ValueError):
        float(text)
        return True
    return False


def dagster_home() -> Path:
    """Return the directory of Dagster's records: DAGSTER_HOME, or `.pulse` in this directory.

    Raises:
        ConfigurationError: DAGSTER_HOME is the address of something else.
    """
    home = os.environ.get("DAGSTER_HOME") or ".pulse"
    fault = "lies in S3: name a directory" if home.startswith("s3://") else address_fault(home)
    if fault:
        raise ConfigurationError(f"DAGSTER_HOME = {home!r} {fault}")
    found = Path(home).expanduser().resolve()
    if "?" in str(found):
        raise ConfigurationError(
            f"DAGSTER_HOME {found} has a '?' in it, after which the addresses of Dagster's records "
            "go on with options: name a directory without"
        )
    return found

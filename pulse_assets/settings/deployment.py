"""The settings of a deployment: where data lies and which batches exist."""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

from pydantic import field_validator, model_validator

from pulse_assets.batches.windows import Cadence
from pulse_assets.history.readers import MAX_BYTES, MAX_TABLE_BYTES, SUFFIXES
from pulse_assets.history.samples import BUNDLED
from pulse_assets.history.source import Source, open_source
from pulse_assets.settings.checked import Checked
from pulse_assets.settings.environment import check_unread
from pulse_assets.settings.home import dagster_home
from pulse_assets.settings.setting import DATA, PREDICT, S3, environment_variables, setting
from pulse_assets.storage.address import address_fault
from pulse_assets.storage.s3 import S3Settings

#: Bounds that keep every date computed from them within the calendar.
_EARLIEST: Final = date(1000, 1, 1)
_LATEST: Final = date(9000, 1, 1)
_CENTURY: Final = 36525


class Settings(Checked):
    """Where data lies and which batches exist: one value per deployment.

    Example:
        >>> Settings(batch_size_days=7).batch_size_days
        7
    """

    store: str = setting(
        default_factory=lambda: str(dagster_home() / "store"),
        group=DATA,
        environment="PULSE_STORE",
        per_run=True,
        description="directory or s3://bucket/prefix of the results; "
        "default: store in DAGSTER_HOME",
    )
    source: str = setting(
        default="sample",
        group=DATA,
        environment="PULSE_SOURCE",
        per_run=True,
        description="directory or s3://bucket/prefix of `historical_<variable>."
        f"{'|'.join(SUFFIXES)}` and of tables `panel*.csv|parquet` and `wide*.csv|parquet`; one "
        "such file; or a bundled source: `sample`, US series of one vintage each, or `sample-uk`, "
        "UK series in real time",
    )
    max_source_bytes: int | None = setting(
        default=None,
        ge=1,
        group=DATA,
        environment="PULSE_MAX_SOURCE_BYTES",
        per_run=True,
        description="largest source file that is read, in bytes; a Parquet file when unpacked; "
        f"default: {MAX_BYTES:,} of one variable, {MAX_TABLE_BYTES:,} of a table",
    )
    start_date: date = setting(
        default=date(1990, 1, 1),
        ge=_EARLIEST,
        group=PREDICT,
        environment="PULSE_START_DATE",
        description="first day that is predicted",
    )
    end_date: date | None = setting(
        default=date(2022, 12, 31),
        le=_LATEST,
        group=PREDICT,
        environment="PULSE_END_DATE",
        description="last day that is predicted, or `today` for the windows that have ended by now",
    )
    batch_size_days: int = setting(
        default=30,
        ge=1,
        le=_CENTURY,
        group=PREDICT,
        environment="PULSE_BATCH_SIZE_DAYS",
        description="days in the window of target dates of a batch",
    )
    batch_cadence: Cadence | None = setting(
        default=None,
        group=PREDICT,
        environment="PULSE_BATCH_CADENCE",
        description="calendar windows instead of batch_size_days: weekly, monthly, quarterly or "
        "yearly; with end_date `today` their number grows as time passes",
    )
    batch_limit: int | None = setting(
        default=None,
        ge=1,
        group=PREDICT,
        description="largest number of batches, the first ones, for a trial; default: all",
    )
    max_batches_per_run: int | None = setting(
        default=None,
        ge=1,
        environment="PULSE_MAX_BATCHES_PER_RUN",
        description="largest number of batches in one run of a backfill from the UI; default: all",
    )
    aws_region: str | None = setting(
        default=None,
        group=S3,
        environment="AWS_REGION",
        per_run=True,
        description="AWS region of the S3 buckets",
    )
    aws_profile: str | None = setting(
        default=None,
        group=S3,
        environment="AWS_PROFILE",
        per_run=True,
        description="AWS profile of the credentials",
    )
    s3_endpoint_url: str | None = setting(
        default=None,
        group=S3,
        environment="AWS_ENDPOINT_URL_S3",
        per_run=True,
        description="address of an S3-compatible server; default: AWS",
    )
    s3_requester_pays: bool = setting(
        default=False,
        group=S3,
        environment="PULSE_S3_REQUESTER_PAYS",
        per_run=True,
        description="pay for the requests to a bucket that bills its readers",
    )
    code_url: str | None = setting(
        default=None,
        environment="PULSE_CODE_URL",
        description="Git repository on the web that code links in the UI lead to; default: "
        "the files of this machine",
    )
    report_url: str | None = setting(
        default=None,
        environment="PULSE_REPORT_URL",
        description="address at which browsers find the report, for links in the UI",
    )

    @field_validator("store", "source")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if fault := address_fault(value):
            raise ValueError(fault)
        if value in BUNDLED or value.startswith("s3://"):
            return value
        # Workers may have another working directory.
        return str(Path(value).expanduser().absolute())

    @field_validator("code_url", "report_url", "s3_endpoint_url")
    @classmethod
    def _on_the_web(cls, value: str | None) -> str | None:
        """Refuse what a browser would run or open elsewhere, such as `javascript:` and `file:`."""
        if value and not re.match(r"(?i)https?://[^/?#]", value):
            raise ValueError("is no address on the web: begin it with http:// or https://")
        return value

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
        variables = environment_variables(cls)
        # A subclass, `TrainingConfig`, has further settings that are not read from there.
        names = {name for model in (cls, *cls.__subclasses__()) for name in model.model_fields}
        check_unread(environment, variables, names)
        return {
            field: environment[name] for name, field in variables.items() if environment.get(name)
        }

    @property
    def s3(self) -> S3Settings:
        """How to reach S3; credentials are found the AWS way and never held here."""
        return S3Settings(
            region=self.aws_region,
            profile=self.aws_profile,
            endpoint_url=self.s3_endpoint_url,
            requester_pays=self.s3_requester_pays,
        )

    def open_source(self) -> Source:
        """Return the source; nothing is read yet."""
        return open_source(self.source, self.s3, self.max_source_bytes)


def _is_number(text: str) -> bool:
    with suppress(ValueError):
        float(text)
        return True
    return False

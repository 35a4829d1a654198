"""The settings of `train` and `pulse-train`: a deployment, a run and where it computes."""

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import field_validator, model_validator

from pulse_assets.settings.deployment import Settings
from pulse_assets.settings.options import TrainingOptions
from pulse_assets.settings.processors import usable_processors
from pulse_assets.settings.setting import COMPUTE, DATA, LOG, setting
from pulse_assets.storage.address import address_fault

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class TrainingConfig(Settings, TrainingOptions):
    """All that `train` and `pulse-train` take: a deployment, a run and where it computes.

    Example:
        >>> TrainingConfig(variables=["gdp_growth"], batch_limit=10).options().variables
        ['gdp_growth']
    """

    max_workers: int = setting(
        default_factory=usable_processors,
        ge=1,
        group=COMPUTE,
        description="worker processes; 1 computes in the run's own process; default: one per "
        "processor this process may use",
    )
    use_dask: bool = setting(
        default=False,
        group=COMPUTE,
        description="use a Dask cluster even for one worker, or join one by its address",
    )
    dask_scheduler_address: str | None = setting(
        default=None,
        group=COMPUTE,
        description="scheduler to join, such as tcp://host:8786; goes with use_dask",
    )
    dask_tls_ca_file: Path | None = setting(
        default=None,
        group=COMPUTE,
        description="certificate authority of a tls:// scheduler, a PEM file; "
        "default: as Dask is configured",
    )
    dask_tls_client_cert: Path | None = setting(
        default=None,
        group=COMPUTE,
        description="certificate that the run shows to it; default: as Dask is configured",
    )
    dask_tls_client_key: Path | None = setting(
        default=None,
        group=COMPUTE,
        description="key of that certificate; default: as Dask is configured",
    )
    dask_dashboard_port: int | None = setting(
        default=None,
        ge=0,
        le=65535,
        group=COMPUTE,
        description="port of the local cluster's dashboard; default: no dashboard",
    )
    dask_threads_per_worker: int = setting(
        default=1, ge=1, group=COMPUTE, description="threads in each process of the local cluster"
    )
    dask_memory_limit: str | None = setting(
        default=None,
        pattern=r"^([1-9]\d*(\.\d+)?|0\.\d*[1-9]\d*)[kMGT]i?B$",
        group=COMPUTE,
        description="memory of each process of the local cluster, such as 2GiB: one that reaches "
        "it is ended, and its batch fails; default: its share of the machine's",
    )
    output_file: Path | None = setting(
        default=None, group=DATA, description="copy of the results, a JSON file"
    )
    s3_output_file: str | None = setting(
        default=None, group=DATA, description="copy of the results, s3://bucket/key"
    )
    log_level: LogLevel = setting(
        default="WARNING",
        group=LOG,
        description="least severe log lines that the command line shows: DEBUG, INFO, WARNING, "
        "ERROR or CRITICAL (default: the environment's LOG_LEVEL, else WARNING)",
    )
    log_dir: Path | None = setting(
        default=None,
        group=LOG,
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
    def _names_a_directory(cls, value: object) -> object:
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

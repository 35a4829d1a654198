"""A deployment in a code location: its settings, and what its assets and resources are called.

A code location may hold other assets, and several deployments: each has a prefix of its keys and of
its resources, so that none takes the name, the resource or the store of another. (Prefixes that
differ in an underscore alone, as `a_b` and `a`, `b`, end in Dagster's error at loading.)
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import dagster as dg

from pulse_assets.errors import ConfigurationError
from pulse_assets.settings import Settings, TrainingOptions

#: What Dagster takes as a part of a key and as the name of a job.
_NAME: Final = re.compile(r"[A-Za-z0-9_]+")


@dataclass(frozen=True)
class Names:
    """What a deployment calls its assets, resources, steps, job, schedule and sensors.

    Attributes:
        key_prefix: parts of the keys of all assets before their own name.
        group: the group of all assets; None: those of the catalogue.
        resource_prefix: what the names of all resources begin with.

    Raises:
        ConfigurationError: a part is no name that Dagster takes.

    Example:
        >>> names = Names(("forecasts", "us"), resource_prefix="us_")
        >>> names.key("retrodictions").to_user_string(), names.resource("data")
        ('forecasts/us/retrodictions', 'us_data')
        >>> names.definition("retrodiction_training")
        'forecasts__us__retrodiction_training'
    """

    key_prefix: tuple[str, ...] = ()
    group: str | None = None
    resource_prefix: str = ""

    def __post_init__(self) -> None:
        """Check the parts."""
        group = [] if self.group is None else [self.group]
        prefix = [self.resource_prefix] if self.resource_prefix else []
        for kind, parts in (
            ("key_prefix", self.key_prefix),
            ("group", group),
            ("resource_prefix", prefix),
        ):
            for part in parts:
                if not _NAME.fullmatch(part):
                    raise ConfigurationError(
                        f"{kind} {part!r}: may hold letters, digits and underscores only"
                    )

    def key(self, asset: str) -> dg.AssetKey:
        """Return the key of an asset."""
        return dg.AssetKey([*self.key_prefix, asset])

    def keys(self, assets: Iterable[str]) -> list[dg.AssetKey]:
        """Return the keys of some assets."""
        return [self.key(asset) for asset in assets]

    def resource(self, name: str) -> str:
        """Return the name of a resource."""
        return f"{self.resource_prefix}{name}"

    def definition(self, name: str) -> str:
        """Return the name of a step, a job, a schedule or a sensor."""
        return "__".join([*self.key_prefix, name])


@dataclass(frozen=True)
class Deployment:
    """What one graph of assets is built from.

    Attributes:
        settings: where data lies and which batches exist.
        options: the defaults of its runs.
        names: what its parts are called.
    """

    settings: Settings
    options: TrainingOptions = field(default_factory=TrainingOptions)
    names: Names = field(default_factory=Names)

    def resource_keys(self, *names: str) -> set[str]:
        """Return the names of the resources that a step needs."""
        return {self.names.resource(name) for name in names}

    def resource(self, resources: Any, name: str) -> Any:  # noqa: ANN401 - Dagster makes the class
        """Return one of the resources of a step."""
        return getattr(resources, self.names.resource(name))

    def options_of(self, resources: Any) -> TrainingOptions:  # noqa: ANN401
        """Return what a run predicts."""
        return self.resource(resources, "training")

    def settings_of(self, resources: Any) -> Settings:  # noqa: ANN401
        """Return the settings of a run: those of the deployment, changed as the run says.

        Raises:
            ConfigurationError: a value cannot be used.
        """
        return self.resource(resources, "data").applied_to(self.settings)

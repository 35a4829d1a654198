"""The resources of the graph: what a run predicts, and where it reads and writes."""

from collections.abc import Mapping
from typing import Any, Final

import dagster as dg
from pydantic import BaseModel, Field, create_model

from pulse_assets.settings import Settings, TrainingOptions

#: The settings of a deployment that one run may change: they fix no partition.
DATA_SETTINGS: Final = (
    *("source", "max_source_bytes", "store"),
    *("aws_region", "aws_profile", "s3_endpoint_url"),
)


def _fields(model: type[BaseModel], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Describe fields of a resource as `model` does, with these defaults.

    Without their bounds, whose breach the model itself explains in plain words.
    """
    return {
        name: (field.annotation, Field(default=defaults[name], description=field.description))
        for name, field in model.model_fields.items()
        if name in defaults
    }


_DEFAULTS: Final = TrainingOptions().model_dump()
_OptionsResource = create_model(
    "_OptionsResource", __base__=dg.ConfigurableResource, **_fields(TrainingOptions, _DEFAULTS)
)


class TrainingResource(_OptionsResource):
    """What a run predicts and by which rules: the fields of `TrainingOptions`.

    The launchpad shows them with the same texts and defaults.
    """

    def options(self) -> TrainingOptions:
        """Check the fields and return them as the options they are.

        Raises:
            ConfigurationError: a value cannot be used; the message says why.
        """
        return TrainingOptions(
            **{name: getattr(self, name) for name in TrainingOptions.model_fields}
        )


class DataResource(dg.ConfigurableResource):
    """Where a run reads and writes: source, store and how to reach S3.

    The launchpad shows them as the deployment has them; a run may name others.
    """

    @classmethod
    def of(cls, settings: Settings) -> "DataResource":
        """Return the resource of a deployment, whose fields have its settings as their defaults.

        Dagster puts the defaults of the class, not the values of an instance, where a run names
        some fields and leaves out others: hence a class for each deployment.
        """
        fields = _fields(Settings, settings.model_dump(include={*DATA_SETTINGS}))
        return create_model(cls.__name__, __base__=cls, __doc__=cls.__doc__, **fields)()

    def applied_to(self, settings: Settings) -> Settings:
        """Return the settings of the deployment with this run's places in them.

        Raises:
            ConfigurationError: a value cannot be used; the message says why.
        """
        return Settings(
            **settings.model_dump() | {name: getattr(self, name) for name in DATA_SETTINGS}
        )

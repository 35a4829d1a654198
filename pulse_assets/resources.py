"""The resources of the graph: what a run predicts, and who is told of its progress."""

from typing import Any

import dagster as dg
from pydantic import create_model

from pulse_assets.settings import TrainingOptions


class _TrainingResource(dg.ConfigurableResource):
    """What a run predicts and by which rules; every field is shown in the launchpad."""

    def options(self) -> TrainingOptions:
        """Check the fields and return them as the options they are.

        Raises:
            ConfigurationError: a value cannot be used; the message says why.
        """
        return TrainingOptions(
            **{name: getattr(self, name) for name in TrainingOptions.model_fields}
        )


_FIELDS: dict[str, Any] = {
    name: (field.annotation, field) for name, field in TrainingOptions.model_fields.items()
}

#: The fields of `TrainingOptions` as a Dagster resource, with the same texts and defaults.
TrainingResource = create_model("TrainingResource", __base__=_TrainingResource, **_FIELDS)

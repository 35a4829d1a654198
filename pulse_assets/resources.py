"""The resources of the graph: what a run predicts, and who is told of its progress."""

from typing import Any

import dagster as dg
from pydantic import Field, create_model

from pulse_assets.settings import TrainingOptions

_FIELDS: dict[str, Any] = {
    name: (field.annotation, Field(default=field.default, description=field.description))
    for name, field in TrainingOptions.model_fields.items()
}  # without the bounds, whose breach `options` explains in plain words
_OptionsResource = create_model("_OptionsResource", __base__=dg.ConfigurableResource, **_FIELDS)


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

"""The options of the training whose results a store holds, for commands that continue from them."""

import json
from collections.abc import Mapping
from typing import Any, Final

from pulse_assets.errors import ConfigurationError, StoreError, StoreUnavailableError
from pulse_assets.settings import TrainingConfig, TrainingOptions
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.store import open_store

_RESULTS: Final = object_path("training_results", suffix="json")
#: Settings that say what a training computed, and not where it ran or how it was watched.
_CONTINUED: Final = frozenset(TrainingOptions.model_fields) - {"resume"} | {
    *("source", "max_source_bytes", "start_date", "end_date"),
    *("batch_size_days", "batch_cadence"),
}
#: Two ways to give the length of a batch: who gives one has chosen.
_LENGTHS: Final = frozenset({"batch_size_days", "batch_cadence"})


def stored_configuration(config: TrainingConfig) -> Mapping[str, Any]:
    """Return the configuration in the results of a store; empty if it has no readable ones.

    Raises:
        StoreUnavailableError: the store cannot be reached.
    """
    store = open_store(config.store, config.s3)
    try:
        results = json.loads(store.read(_RESULTS))
        return results["configuration"] if isinstance(results["configuration"], dict) else {}
    except StoreUnavailableError:
        raise
    except (StoreError, ValueError, KeyError, TypeError):
        return {}


def continue_training(config: TrainingConfig) -> tuple[TrainingConfig, dict[str, Any]]:
    """Fill the settings that nobody gave from the training whose results the store holds.

    A training from another source than the given one says nothing: then nothing is filled.

    Returns:
        The configuration, and what was filled in, by setting.

    Example:
        In an empty store there is nothing to continue.

        >>> config = TrainingConfig(store="/nonexistent/store")
        >>> continue_training(config) == (config, {})
        True
    """
    earlier, given = stored_configuration(config), config.model_fields_set
    if "source" in given and config.source != earlier.get("source"):
        return config, {}
    chosen = given | (_LENGTHS if given & _LENGTHS else frozenset())
    taken = earlier.keys() & _CONTINUED - chosen
    filled = {name: earlier[name] for name in TrainingConfig.model_fields if name in taken}
    if earlier.get("all_variables"):  # it would have taken a new one, too
        filled.pop("variables", None)
    try:
        continued = TrainingConfig(**config.model_dump(include={*given}) | filled)
    except ConfigurationError:  # of another version, or not to be combined with what was given
        return config, {}
    return continued, filled


def refuse_other_source(config: TrainingConfig) -> None:
    """Check that a training does not replace one of another source because nobody named a source.

    Raises:
        ConfigurationError: it would.
    """
    if "source" in config.model_fields_set:
        return
    trained_on = stored_configuration(config).get("source", config.source)
    if trained_on != config.source:
        raise ConfigurationError(
            f"{config.store} holds a training from {trained_on}, and no source is given: give "
            f"--source {trained_on} to continue it, --source {config.source} to replace it, or "
            "another --store"
        )

"""The options of the training whose results a store holds, for commands that continue from them."""

import json
import os
from collections.abc import Collection, Mapping
from typing import Any, Final

from pulse_assets.errors import ConfigurationError, PulseError, StoreError, StoreUnavailableError
from pulse_assets.history.publication import ALL_OTHERS
from pulse_assets.settings import TrainingConfig, TrainingOptions
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.store import MissingObjectError, open_store

_RESULTS: Final = object_path("training_results", suffix="json")
#: Settings that say what a training computed, and not where it ran or how it was watched. The limit
#: of a trial is not among them: the batches after it are missing.
_CONTINUED: Final = frozenset(TrainingOptions.model_fields) - {"resume"} | {
    *("source", "max_source_bytes", "start_date", "end_date"),
    *("batch_size_days", "batch_cadence"),
}
#: Two ways to give the length of a batch: who gives one has chosen.
_LENGTHS: Final = frozenset({"batch_size_days", "batch_cadence"})
#: Settings with an entry per variable; a training stores them for each of its variables.
_BY_VARIABLE: Final = ("frequencies", "calendar", "publication_lag_days", "bounds")


def stored_configuration(config: TrainingConfig) -> Mapping[str, Any]:
    """Return the configuration in the results of a store; empty if it has no results.

    The address of a source that lies in the store follows the store, which may have been moved.

    Raises:
        StoreError: the results cannot be read.
    """
    store = open_store(config.store, config.s3)
    try:
        earlier = json.loads(store.read(_RESULTS))["configuration"]
        inside = f"{earlier['store']}/"
        source = earlier["source"]
        moved = source.startswith(inside)
        return earlier | {"source": f"{config.store}/{source[len(inside) :]}" if moved else source}
    except MissingObjectError:
        return {}
    except StoreUnavailableError:
        raise
    except (StoreError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{store.uri}/{_RESULTS} is damaged or of an older version, so the options of its "
            "training are unknown: give --source and all other options of the training"
        ) from error


def continue_training(config: TrainingConfig) -> tuple[TrainingConfig, dict[str, Any]]:
    """Fill the settings that nobody gave from the training whose results the store holds.

    A training from another source than the given one says nothing: then nothing is filled.

    Returns:
        The configuration, and what was filled in, by setting.

    Raises:
        ConfigurationError: what is given and what is filled in do not fit together.
        StoreError: nobody gave a source, and the results of the training cannot be read.

    Example:
        In an empty store there is nothing to continue.

        >>> config = TrainingConfig(store="/nonexistent/store")
        >>> continue_training(config) == (config, {})
        True
    """
    given = config.model_fields_set
    try:
        earlier = stored_configuration(config)
    except StoreError:
        if "source" not in given:
            raise
        return config, {}
    if not earlier or ("source" in given and not _is_same(config.source, earlier["source"])):
        return config, {}
    chosen = given | (_LENGTHS if given & _LENGTHS else frozenset())
    taken = earlier.keys() & _CONTINUED - chosen
    filled = {name: earlier[name] for name in TrainingConfig.model_fields if name in taken}
    if earlier.get("all_variables"):  # it would have taken a new one, too
        filled.pop("variables", None)
        filled |= _of_present(filled, config, earlier["source"])
    values = config.model_dump(include={*given}) | filled
    try:
        return TrainingConfig(**values | {"source": earlier["source"]}), filled
    except ConfigurationError as error:
        raise ConfigurationError(
            f"what is given does not fit the training in {config.store}, whose options hold "
            f"unless they are given: {error}"
        ) from error


def _is_same(first: str, second: str) -> bool:
    """Tell whether two addresses name one source."""
    if any(address.startswith("s3://") for address in (first, second)):
        return first.rstrip("/") == second.rstrip("/")
    return first == second or os.path.realpath(first) == os.path.realpath(second)


def _of_present(
    filled: Mapping[str, Any], config: TrainingConfig, address: str
) -> dict[str, dict[str, Any]]:
    """Return the settings by variable for the series that the source has now."""
    source = config.settings().model_copy(update={"source": address}).open_source()
    try:
        present: Collection[str] = {*source.variables(), ALL_OTHERS}
    except PulseError:  # the command itself says what is wrong with the source
        return {}
    return {
        name: {key: value for key, value in filled[name].items() if key in present}
        for name in _BY_VARIABLE
        if name in filled
    }


def refuse_other_source(config: TrainingConfig) -> None:
    """Check that a training does not replace one of another source because nobody named a source.

    Raises:
        ConfigurationError: it would.
        StoreError: nobody gave a source, and the results of the training cannot be read.
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

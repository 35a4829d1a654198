"""A training whose input is checked, before anything is written or started."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pulse_assets.errors import ConfigurationError, StoreUnavailableError
from pulse_assets.history.frames import FrameSource
from pulse_assets.history.source import Source
from pulse_assets.preflight import check_ready
from pulse_assets.settings import Settings, TrainingConfig, TrainingOptions
from pulse_assets.storage.store import Store, open_store
from pulse_assets.stored_options import refuse_other_source


@dataclass(frozen=True)
class CheckedTraining:
    """A configuration that can be trained.

    Attributes:
        config: the configuration.
        settings: where data lies and which batches exist.
        options: what it predicts, with all variables, rules and frequencies named.
        copies: folder and name of each further copy of the results.
        source: where the series are.
    """

    config: TrainingConfig
    settings: Settings
    options: TrainingOptions
    copies: tuple[tuple[Store, str], ...]
    source: Source

    @classmethod
    def of(cls, config: TrainingConfig, data: Any = None) -> Self:  # noqa: ANN401 - any frame
        """Check data, rules, store and copies.

        Args:
            config: what to train.
            data: a data frame to train on instead of the source of `config`; see `read_data`.

        Raises:
            ConfigurationError: a setting cannot be used.
            HistoricalDataError: the source, a file or a row of it cannot be used.
            RuleError: a rule is unknown or cannot be imported.
            StoreError: the store or a copy cannot be written.
        """
        settings = config.settings()
        source = settings.open_source()
        if data is not None:
            source = _frame_source(config, data)
            settings = settings.model_copy(update={"source": source.address})
        options, copies = check_ready(settings, config.options(), source), _copies(config)
        if data is None:
            refuse_other_source(config)
        for folder, name in copies:
            _check_copy(folder, name)
        return cls(config, settings, options, copies, source)

    def save_source(self) -> None:
        """Write a data frame into the store, from which all workers read it.

        Raises:
            StoreUnavailableError: it cannot be written.
        """
        if isinstance(self.source, FrameSource):
            self.source.save()

    def write_copies(self, results: Mapping[str, Any]) -> None:
        """Write each copy of the results."""
        for folder, name in self.copies:
            folder.write(name, json.dumps(results, indent=2).encode())


def _frame_source(config: TrainingConfig, data: Any) -> FrameSource:  # noqa: ANN401 - any frame
    """Return the source of a data frame.

    Raises:
        ConfigurationError: there is a source besides the frame, or the frame is none.
        HistoricalDataError: a row of it is not sound.
    """
    if "source" in config.model_fields_set and config.source != "sample":
        raise ConfigurationError(
            f"data is given, and source = {config.source!r} too: give one of them"
        )
    return FrameSource.of(data, open_store(config.store, config.s3), config.max_source_bytes)


def _copies(config: TrainingConfig) -> tuple[tuple[Store, str], ...]:
    """Return folder and name of each copy of the results that the configuration names."""
    places = (str(place) for place in (config.output_file, config.s3_output_file) if place)
    parts = [place.rpartition("/") for place in places]
    return tuple((open_store(folder or ".", config.s3), name) for folder, _, name in parts)


def _check_copy(folder: Store, name: str) -> None:
    """Check that the copy of the results can be written.

    Raises:
        StoreUnavailableError: it cannot be written; the message names the copy.
    """
    try:
        folder.check_writable()
    except StoreUnavailableError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        raise StoreUnavailableError(
            f"output_file {folder.uri}/{name}: cannot be written: {error.__cause__.strerror}: name "
            "a file elsewhere or correct the permissions of its folder"
        ) from error

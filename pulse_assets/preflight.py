"""What must hold before a batch is computed, checked before anything is written."""

from collections.abc import Sequence

from pulse_assets.retrodiction.rules import DEFAULT_MODELS, resolve_rules
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.stages.results import REFERENCE
from pulse_assets.storage.store import open_store


def resolve_options(settings: Settings, options: TrainingOptions) -> TrainingOptions:
    """Name the variables and rules that the options leave to their defaults.

    `naive` is always among the rules: skill is measured against it.

    Raises:
        ConfigurationError: the source has no variable of such a name.
        HistoricalDataError: the source cannot be read.
    """
    source = settings.open_source()
    variables = options.variables or source.variables()
    source.check_variables(variables)
    return TrainingOptions(
        **options.model_dump(exclude={"variables", "models"}),
        variables=variables,
        models=_with_reference(options.models or DEFAULT_MODELS),
    )


def _with_reference(models: Sequence[str]) -> list[str]:
    return list(models) if REFERENCE in models else [REFERENCE, *models]


def check_ready(settings: Settings, options: TrainingOptions) -> TrainingOptions:
    """Read every series, load every rule, try and tidy the store; return the resolved options.

    Raises:
        ConfigurationError: a variable or frequency is unknown.
        HistoricalDataError: a source file cannot be read or has a bad row.
        RuleError: a rule is unknown or cannot be imported.
        StoreError: the store cannot be written.
    """
    resolved = resolve_options(settings, options)
    resolve_rules(resolved.models or (), seconds=resolved.rule_timeout_seconds)
    source = settings.open_source()
    for variable in resolved.variables or ():
        source.load(variable)
    store = open_store(settings.store, settings.s3)
    store.check_writable()
    store.clear_abandoned()
    return resolved

"""Names of the models that make somebody else's forecasts: which are allowed."""

from pulse_assets.errors import HistoricalDataError


def check_model_name(name: str, file: str) -> None:
    """Refuse a model whose name is that of a rule, of an ensemble, or of rules with indicators.

    Args:
        name: name of the model, with the characters of a variable's name.
        file: the file that has it, for messages.

    Raises:
        HistoricalDataError: the name is taken.
    """
    # As late as this: the rules compile kernels, and few sources hold forecasts.
    from pulse_assets.retrodiction.rules import ENSEMBLES, INDICATOR_PREFIX, RULES

    folded, fix = name.casefold(), "rename the file forecasts_<another name>"
    if folded in RULES:
        raise HistoricalDataError(f"{file}: {name} is the name of a built-in rule: {fix}")
    if folded in ENSEMBLES:
        raise HistoricalDataError(f"{file}: {name} is the name of an ensemble: {fix}")
    if folded.startswith(INDICATOR_PREFIX):
        raise HistoricalDataError(
            f"{file}: names that begin with {INDICATOR_PREFIX} are those of rules that read "
            f"another variable: {fix}"
        )

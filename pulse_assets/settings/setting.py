"""One setting: a pydantic field, with what the command line, launchpad and fingerprint need of it.

All lists of settings derive from these fields: the groups of `pulse-train --help`, the variables of
the environment, what one run may change, and what enters the fingerprint of a batch.
"""

from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, Field
from pydantic_core import PydanticUndefined

#: Titles of the groups of options in `pulse-train --help`.
PREDICT: Final = "what to predict"
EVALUATE: Final = "how to combine and score"
DATA: Final = "where the data is"
COMPUTE: Final = "where to compute"
S3: Final = "S3"
LOG: Final = "log"


def setting(
    default: Any = PydanticUndefined,  # noqa: ANN401
    *,
    group: str | None = None,
    environment: str | None = None,
    per_run: bool = False,
    changes_batches: bool = True,
    **field: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401 - pyright takes it as the default of a field of any type
    """Define a setting.

    Args:
        default: its default, unless `field` has a `default_factory`.
        group: title of its group in `pulse-train --help`; None: it is no option of the command.
        environment: the variable that sets it in a deployment; None: no variable does.
        per_run: whether one run may change this setting of a deployment.
        changes_batches: whether the stored tables of a batch depend on it.
        field: arguments of `pydantic.Field`: `description`, `default_factory` and bounds.
    """
    details: dict[str, Any] = {
        "group": group,
        "environment": environment,
        "per_run": per_run,
        "changes_batches": changes_batches,
    }
    return Field(default, json_schema_extra=details, **field)


def groups(model: type[BaseModel]) -> dict[str, tuple[str, ...]]:
    """Return the settings of each group, by its title, in the order of the help."""
    titles = {name: details["group"] for name, details in _details(model).items()}
    return {
        title: tuple(name for name, of in titles.items() if of == title)
        for title in (PREDICT, EVALUATE, DATA, COMPUTE, S3, LOG)
    }


def environment_variables(model: type[BaseModel]) -> dict[str, str]:
    """Return the setting of each variable of the environment, by the name of the variable."""
    details = _details(model).items()
    return {value["environment"]: name for name, value in details if value["environment"]}


def per_run_settings(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the settings of a deployment that one run may change."""
    return tuple(name for name, details in _details(model).items() if details["per_run"])


def settings_without_effect(model: type[BaseModel]) -> set[str]:
    """Return the settings on which no stored table of a batch depends."""
    return {name for name, details in _details(model).items() if not details["changes_batches"]}


def settings_of_type(model: type[BaseModel], kind: type) -> frozenset[str]:
    """Return the settings whose value is a `kind`, such as a list of whatever, or None."""
    fields = model.model_fields.items()
    return frozenset(name for name, field in fields if kind in _types(field.annotation))


def _types(annotation: Any) -> set[Any]:  # noqa: ANN401 - any expression of a type
    """Return the types of a union, or the one type, each without its parameters."""
    is_union = get_origin(annotation) in (Union, UnionType)
    return {
        get_origin(part) or part for part in (get_args(annotation) if is_union else [annotation])
    }


def _details(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    return {
        name: field.json_schema_extra
        for name, field in model.model_fields.items()
        if isinstance(field.json_schema_extra, dict)
    }

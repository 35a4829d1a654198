"""The page on Python: the public names, which mkdocstrings documents from their docstrings."""

import importlib
import inspect
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pulse_assets
from docs_scripts.reference.markdown import (
    code,
    first_sentence,
    heading,
    joined,
    link,
    page_of,
    prose,
    table,
)
from pulse_assets.errors import PulseError

#: Options of mkdocstrings for a class whose fields are settings, which have a page of their own.
_WITHOUT_MEMBERS: Final = "    options:\n      members: false\n      inherited_members: false"
#: Models of settings.
_SETTINGS: Final = frozenset({"TrainingConfig", "Settings", "TrainingOptions"})


class Section(NamedTuple):
    """Names that are imported from one module.

    Attributes:
        module: that a user imports them from.
        names: the names.
        text: what they are for.
    """

    module: str
    names: tuple[str, ...]
    text: str


#: What a user imports besides `pulse_assets.__all__`.
SECTIONS: Final = (
    Section("pulse_assets", tuple(pulse_assets.__all__), "What most programs need."),
    Section(
        "pulse_assets.settings",
        ("Settings", "TrainingOptions", "dagster_home"),
        "The parts of a `TrainingConfig`, for `build_definitions` and for code that reads a store.",
    ),
    Section(
        "pulse_assets.settings.config_file",
        ("deployment_of",),
        "The deployment that variables and files describe.",
    ),
    Section("pulse_assets.execution.tally", ("Progress",), "What `train` notifies of its batches."),
    Section(
        "pulse_assets.frames",
        ("to_frame",),
        "The frames that the methods of `TrainingResults` return.",
    ),
    Section("pulse_assets.results", ("ResultsDocument",), "The type of `results.document`."),
    Section(
        "pulse_assets.storage.store",
        ("open_store", "Store", "MissingObjectError"),
        "The objects of a store, for code of your own beside the graph.",
    ),
    Section(
        "pulse_assets.storage.objects",
        ("read_object", "StoredTable"),
        "The objects of assets without partitions.",
    ),
    Section(
        "pulse_assets.errors",
        tuple(
            name
            for name, value in vars(pulse_assets.errors).items()
            if inspect.isclass(value) and issubclass(value, PulseError) and value is not PulseError
        ),
        "The errors that `train` and the readers of results raise; each is a `PulseError`.",
    ),
)


def page() -> str:
    """Return the page."""
    return page_of(
        "Python",
        "Look up the classes and functions that a program imports. Their docstrings write this "
        "page at each build.",
        "A name that begins with an underscore, or that is not on this page, may change in any "
        "version.",
        *(_section(section) for section in SECTIONS),
    )


def _section(section: Section) -> str:
    rows = (
        (link(code(name), f"#{path_of(section.module, name)}"), prose(first_sentence(value)))
        for name, value in values(section)
    )
    return joined(
        heading(2, code(section.module), section.module),
        section.text,
        table(("name", "what it is"), rows),
        *(_name(section.module, name) for name in section.names),
    ).strip()


def values(section: Section) -> Iterator[tuple[str, Any]]:
    """Yield the names of a section and what they stand for."""
    module = importlib.import_module(section.module)
    for name in section.names:
        yield name, getattr(module, name)


def path_of(module: str, name: str) -> str:
    """Return the path by which mkdocstrings finds a name: where it is defined."""
    value = getattr(importlib.import_module(module), name)
    where = getattr(value, "__module__", module)
    if not where.startswith(pulse_assets.__name__):  # an object that a function of Dagster returned
        where = f"{module}.{pulse_assets._MODULES[name]}"
    return f"{where}.{name}"


def _name(module: str, name: str) -> str:
    lines = [f"::: {path_of(module, name)}"]
    if name in _SETTINGS:
        lines.append(_WITHOUT_MEMBERS)
        lines = [*lines, "", f"Its fields are the {link('settings', 'settings.md')}."]
    return "\n".join(lines)

"""The source code of a user's rule: its module, and the user's own modules that it imports.

This module runs in the rule host. It imports Python's own modules only, and it executes none of the
modules that it searches for.
"""

import ast
import hashlib
import importlib.util
import inspect
import sysconfig
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from sys import modules as loaded
from types import ModuleType
from typing import Final

#: Directories of Python itself, and names of the folders of installed packages; their modules are
#: not the user's own.
_PYTHON: Final = tuple({Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")})
_PACKAGES: Final = {"site-packages", "dist-packages"}


def source_hash(names: set[str]) -> str:
    """Hash the source of these modules, and of all the user's own modules that they import.

    An edited helper changes forecasts, too, however it is imported: as a module, a constant of it,
    in a package without `__init__.py`, or by a statement inside a function.

    Args:
        names: names of the modules that contain a rule's class; they are loaded.
    """
    digest = hashlib.sha256()
    for name, file in sorted(_sources(names).items()):
        digest.update(f"{name}\0".encode())
        digest.update(_read(file))
    return digest.hexdigest()


def _sources(names: set[str]) -> dict[str, Path]:
    """Return the files of the modules whose code a rule runs, by module name."""
    families = {name.partition(".")[0] for name in names}
    sources: dict[str, Path] = {}
    visited: set[str] = set()
    to_visit = [*names, *(used for name in names for used in _referenced(loaded[name]))]
    while to_visit:
        name = to_visit.pop()
        if name in visited:
            continue
        visited.add(name)
        file = _file_of(name)
        if file and (name.partition(".")[0] in families or _is_own(name, file)):
            sources[name] = Path(file)
            to_visit += _imported(name, Path(file))
    return sources


def _file_of(name: str) -> str | None:
    """Return the file of a module, which need not be loaded; None if it has none."""
    if name in loaded:
        return getattr(loaded[name], "__file__", None)
    path, spec = None, None
    for end in [i for i, letter in enumerate(name) if letter == "."] + [len(name)]:
        spec = PathFinder.find_spec(name[:end], path)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return spec.origin if spec and spec.has_location else None


def _is_own(name: str, file: str) -> bool:
    """Tell whether a module is the user's: neither installed, nor Python's, nor ours."""
    parents = Path(file).parents
    installed = not _PACKAGES.isdisjoint(parent.name for parent in parents)
    ours = name.partition(".")[0] == "pulse_assets"
    return not (ours or installed or any(folder in parents for folder in _PYTHON))


def _read(file: Path) -> bytes:
    """Return the content of a module's file, or of the archive that holds it."""
    at = next((place for place in (file, *file.parents) if place.is_file()), None)
    return at.read_bytes() if at else b""


def _referenced(module: ModuleType) -> Iterator[str]:
    """Yield the names of the modules in which the values of a loaded module are defined."""
    for value in vars(module).values():
        if isinstance(value, ModuleType):
            yield value.__name__
        elif inspect.isclass(value) or inspect.isroutine(value):
            name = getattr(value, "__module__", None)
            if isinstance(name, str):
                yield name


def _imported(name: str, file: Path) -> Iterator[str]:
    """Yield the names of the modules that the statements of a module import, at any level.

    For `from a.b import c` these are `a`, `a.b` and `a.b.c`, which may be a module.
    """
    if file.suffix != ".py":
        return
    try:
        tree = ast.parse(_read(file))
    except (SyntaxError, ValueError, RecursionError):  # nor can the module be imported
        return
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            for alias in node.names:
                yield from _with_parents(f"{base}.{alias.name}" if base else alias.name)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """Return the full name of the module that a statement imports from."""
    relative = "." * node.level + (node.module or "")
    try:
        return importlib.util.resolve_name(relative, package)
    except ImportError:  # beyond the top-level package: the statement fails when it is executed
        return node.module or ""


def _with_parents(name: str) -> Iterator[str]:
    """Yield the names of a module's packages and its own.

    Example:
        >>> list(_with_parents("a.b"))
        ['a', 'a.b']
    """
    parts = name.split(".")
    return (".".join(parts[: i + 1]) for i in range(len(parts)))

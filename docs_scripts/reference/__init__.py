"""The pages of the section *Reference*, each made from the code that it describes."""

from collections.abc import Callable
from typing import Final

from docs_scripts.reference import (
    checks,
    command_line,
    errors,
    exit_codes,
    python,
    rules,
    scores,
    settings,
    tables,
)

#: The function that writes each page, by the name of the page.
PAGES: Final[dict[str, Callable[[], str]]] = {
    "command_line": command_line.page,
    "settings": settings.page,
    "tables": tables.page,
    "rules": rules.page,
    "scores": scores.page,
    "checks": checks.page,
    "exit_codes": exit_codes.page,
    "errors": errors.page,
    "python": python.page,
}

"""An extension of Griffe, which reads docstrings for mkdocstrings: examples are code."""

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Read a section `Example` of a docstring as what Griffe calls `Examples`."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:  # noqa: ANN401
        """Rename the section, unless the object only stands for another one."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"(?m)^Example:$", "Examples:", obj.docstring.value)

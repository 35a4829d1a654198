"""A constant's name has one value in the whole engine."""

import ast
from collections import defaultdict
from pathlib import Path

from pulse_assets import retrodiction

ENGINE = Path(retrodiction.__file__).parent


def constants():
    """File and expression of each constant by name; a name that is imported is not one."""
    found = defaultdict(list)
    for path in sorted(ENGINE.rglob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
                place = str(path.relative_to(ENGINE)), ast.unparse(node.value)
                found[node.target.id].append(place)
    return found


def test_no_constant_has_the_name_of_another():
    assert len(constants()) > 80
    assert {name: places for name, places in constants().items() if len(places) > 1} == {}

"""The page docs/own_project.md: its code runs, and its YAML is what the component takes."""

import re
from pathlib import Path

import dagster as dg
import yaml

import pulse_assets
from pulse_assets.catalog import ASSETS

PAGE = (Path(__file__).parents[2] / "docs" / "own_project.md").read_text("utf-8")


def test_the_python_example_loads_two_deployments():
    names = {}
    exec(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0], names)
    dg.Definitions.validate_loadable(names["defs"])
    assert len(names["defs"].resolve_asset_graph().get_all_asset_keys()) == 2 * len(ASSETS)


def test_the_component_takes_the_attributes_of_the_page():
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    component = yaml.safe_load(text)
    assert component["type"] == "pulse_assets.RetrodictionComponent"
    model = pulse_assets.RetrodictionComponent.model()
    assert {*component["attributes"]} <= {*model.model_fields}

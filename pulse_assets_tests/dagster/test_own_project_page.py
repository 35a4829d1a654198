"""The page docs/guide/own_project.md: its code runs, and its YAML is what the component takes."""

import re
from pathlib import Path

import dagster as dg
import yaml

import pulse_assets
from pulse_assets.catalog import ASSETS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guide" / "own_project.md").read_text("utf-8")


def test_the_python_examples_load_two_deployments_and_an_asset_that_reads_one():
    names = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, names)
    assert {*names["mean_error"].keys_by_input_name.values()} == {
        dg.AssetKey(["us", "retrodictions"])
    }
    dg.Definitions.validate_loadable(names["defs"])
    assert len(names["defs"].resolve_asset_graph().get_all_asset_keys()) == 2 * len(ASSETS)


def test_the_component_takes_the_attributes_of_the_page():
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    component = yaml.safe_load(text)
    assert component["type"] == "pulse_assets.RetrodictionComponent"
    model = pulse_assets.RetrodictionComponent.model()
    assert {*component["attributes"]} <= {*model.model_fields}

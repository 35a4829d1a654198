"""Draw docs/pictures/calibration.svg: the calibration of a training on two bundled series.

    python -m docs_scripts.calibration_picture

The settings are those of the page docs/guide/quantiles.md.
"""

import os
import re
import tempfile
from pathlib import Path
from typing import Any, Final

import yaml

from pulse_assets import TrainingConfig, train
from pulse_assets.report.calibration import describe_section

_DOCS: Final = Path(__file__).parents[1] / "docs"
_PICTURE: Final = _DOCS / "pictures" / "calibration.svg"
_SIZE: Final = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')


def settings_of_the_page() -> dict[str, Any]:
    """Return the settings that the page writes to settings.yaml."""
    page = (_DOCS / "guide" / "quantiles.md").read_text(encoding="utf-8")
    found = re.search(r'^```yaml title="settings.yaml"\n(.*?)^```$', page, re.M | re.S)
    if not found:
        raise ValueError("the page has no block of settings")
    return yaml.safe_load(found[1])


def side_by_side(drawings: list[str]) -> str:
    """Return one SVG that shows several beside each other."""
    sizes = [found.groups() for drawing in drawings if (found := _SIZE.search(drawing))]
    widths, height = [float(width) for width, _ in sizes], max(float(high) for _, high in sizes)
    parts = [
        drawing.replace("<svg ", f'<svg x="{sum(widths[:at]):g}" width="{widths[at]:g}" ', 1)
        for at, drawing in enumerate(drawings)
    ]
    size = f'viewBox="0 0 {sum(widths):g} {height:g}"'
    paper = '<rect width="100%" height="100%" fill="#ffffff"/>'  # dark pages have light text
    style = 'color="#1a1a1a" font-family="sans-serif"'
    drawn = "".join([paper, *parts])
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{drawn}</svg>\n'


def main() -> None:
    """Train, and write the picture."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DAGSTER_HOME"] = folder
        config = TrainingConfig.model_validate(
            settings_of_the_page() | {"store": f"{folder}/store"}
        )
        section = describe_section(train(config).data, [])
    if section is None:
        raise ValueError("the training has no quantiles")
    drawings = [figure.svg for figure in section.figures]
    _PICTURE.parent.mkdir(parents=True, exist_ok=True)
    _PICTURE.write_text(side_by_side(drawings), encoding="utf-8")
    print(f"{_PICTURE.name}: {_PICTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

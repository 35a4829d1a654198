"""Write all pictures into a folder: `python -m docs_scripts.drawings FOLDER`."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from docs_scripts.drawings import batches, dates, future, rules
from docs_scripts.drawings.canvas import Canvas
from docs_scripts.drawings.trainings import Trainings

#: What draws each picture, by the name of its file.
PICTURES: Final[dict[str, Callable[[Trainings], Canvas]]] = {
    "rolling_origin": batches.rolling_origin,
    "origin": dates.origin,
    "horizon": dates.horizon,
    "publication": dates.publication,
    "releases": dates.releases,
    "blocks": batches.blocks,
    "trust": rules.trust,
    "weights": rules.weights,
    "quantiles": rules.quantiles,
    "replaced_future": future.replaced_future,
}


def main(folder: Path) -> None:
    """Train in a temporary directory, and write the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as place:
        os.environ["DAGSTER_HOME"] = place
        trainings = Trainings(Path(place))
        for name, draw in PICTURES.items():
            (folder / f"{name}.svg").write_text(draw(trainings).svg(), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m docs_scripts.drawings FOLDER")
    main(Path(sys.argv[1]))

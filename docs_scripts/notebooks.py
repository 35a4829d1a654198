"""The notebooks of examples/: executed in an empty directory, and as pages of the site.

`python -m docs_scripts.notebooks` writes the outputs into the notebooks. A test compares them.
"""

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import nbformat
from nbclient import NotebookClient

#: The notebooks, and the pages of the section *Guide* that show them, by name.
NOTEBOOKS = {
    path.stem: path for path in sorted((Path(__file__).parents[1] / "examples").glob("*.ipynb"))
}
#: Pictures without a background, in a grey that is read on light and on dark pages.
_STYLE = """
figure.facecolor: none
axes.facecolor: none
figure.dpi: 100
""" + "".join(
    f"{name}: 808080\n"
    for name in ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
)


def execute(path: Path) -> nbformat.NotebookNode:
    """Return a notebook with the outputs that its code prints now.

    It runs in an empty directory, which is removed. Progress and warnings, which go to standard
    error, are left out.
    """
    notebook = nbformat.read(path, as_version=4)
    with TemporaryDirectory() as folder:
        style = Path(folder) / "matplotlibrc"
        style.write_text(_STYLE, encoding="utf-8")
        settings = {"DAGSTER_HOME": f"{folder}/.pulse", "MATPLOTLIBRC": str(style)}
        resources = {"metadata": {"path": folder}}
        client = NotebookClient(
            notebook, resources=resources, record_timing=False, coalesce_streams=True
        )
        with patch.dict(os.environ, settings):
            client.execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]
    return notebook


def printed(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """Return what each cell of code printed: texts, and the kind of each picture."""
    return [
        [_text(output) for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def _text(output: nbformat.NotebookNode) -> str:
    if output.output_type == "stream":
        return output.text
    data = output.data
    return "picture" if "image/png" in data else data["text/plain"]


def as_page(path: Path) -> tuple[str, dict[str, bytes]]:
    """Return a notebook as Markdown, and its pictures by the path to which the page links."""
    from nbconvert import MarkdownExporter

    place = {"unique_key": path.stem, "output_files_dir": f"{path.stem}_files"}
    text, resources = MarkdownExporter().from_filename(str(path), resources=place)
    text = re.sub(r"<style scoped>.*?</style>\n", "", text, flags=re.DOTALL)
    text = re.sub(r"<(table|tr) [^>]*>", r"<\1>", text)  # the style of the site's other tables
    text = text.replace("![png]", "![what the code above draws]")
    heading, _, rest = text.strip().partition("\n")
    source = f"This page is the notebook `examples/{path.name}` with what it prints.\n"
    return f"{heading}\n\n{source}{rest}\n", dict(resources["outputs"])


def main() -> None:
    """Execute all notebooks and write their outputs into them."""
    for path in NOTEBOOKS.values():
        nbformat.write(execute(path), path)
        print(f"{path.name}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()

"""Write the notebooks of examples/ as pages: mkdocs-gen-files runs this script at each build."""

import sys
from pathlib import Path

import mkdocs_gen_files

# The plugin runs this file by its path, and not from the folder of the project.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from docs_scripts.notebooks import NOTEBOOKS, as_page

for name, notebook in NOTEBOOKS.items():
    text, pictures = as_page(notebook)
    with mkdocs_gen_files.open(f"guide/{name}.md", "w", encoding="utf-8") as page:
        page.write(text)
    for file, content in pictures.items():
        with mkdocs_gen_files.open(f"guide/{file}", "wb") as picture:
            picture.write(content)

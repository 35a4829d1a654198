"""Write the pages of the section *Reference*: mkdocs-gen-files runs this script at each build."""

import sys
from pathlib import Path

import mkdocs_gen_files

# The plugin runs this file by its path, and not from the folder of the project.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from docs_scripts.reference import PAGES

for name, build in PAGES.items():
    with mkdocs_gen_files.open(f"reference/{name}.md", "w", encoding="utf-8") as page:
        page.write(build())

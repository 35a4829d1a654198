"""Draw the pictures of docs/concepts from trainings of the bundled data.

`python -m docs_scripts.drawings FOLDER` writes them; docs/pictures holds what it wrote last.
"""

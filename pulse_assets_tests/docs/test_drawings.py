"""The pictures of the site are those that the script draws, and every picture is used."""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from docs_scripts.drawings.__main__ import PICTURES
from docs_scripts.drawings.canvas import Canvas

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FOLDER = DOCS / "pictures"
DRAWN = [f"{name}.svg" for name in PICTURES]
#: An image of Markdown: its text for readers who cannot see it, and its file.
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
#: Points by which a place may differ, as another processor rounds other last bits.
ROUNDING = 0.21


def images():
    """Page, text and file of each image that a page shows."""
    for page in sorted(DOCS.rglob("*.md")):
        for text, file in IMAGE.findall(page.read_text("utf-8")):
            if "://" not in file:
                yield page, text, (page.parent / file).resolve()


def test_every_picture_is_used_by_a_page_and_every_image_is_there():
    used = {file for _, _, file in images()}
    assert {file for file in used if not file.is_file()} == set()
    assert {file.name for file in FOLDER.iterdir() if file.resolve() not in used} == set()


def test_every_picture_has_a_text_for_readers_who_cannot_see_it():
    assert [f"{page.name}: {file.name}" for page, text, file in images() if len(text) < 20] == []


def test_the_script_draws_what_is_committed():
    assert {file.name for file in FOLDER.glob("*.svg")} >= {*DRAWN}


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_is_small_complete_and_for_both_colour_schemes(name):
    text = (FOLDER / name).read_text("utf-8")
    assert len(text) < 60_000
    root = ElementTree.fromstring(text)
    assert root.find("{http://www.w3.org/2000/svg}title").text
    assert "prefers-color-scheme:dark" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    used = {*re.findall(r'class="([fs]-\w+)"', text)}
    assert used <= {*re.findall(r"\.([fs]-\w+)\{", text)}
    assert "nan" not in re.sub(r"<text.*?</text>", "", text)


@pytest.mark.parametrize("name", DRAWN)
def test_no_text_leaves_its_picture(name):
    """By an estimate of its width."""
    root = ElementTree.fromstring((FOLDER / name).read_text("utf-8"))
    _, _, width, height = map(float, root.get("viewBox").split())
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        size = 0.5 * float(text.get("font-size")) * len(text.text)
        x, share = float(text.get("x")), {"start": 0.0, "middle": 0.5, "end": 1.0}
        left = x - share[text.get("text-anchor")] * size
        assert left >= 0.0, text.text
        assert left + size <= width, text.text
        assert 0.0 < float(text.get("y")) < height, text.text


def test_a_canvas_escapes_texts_and_repeats_its_bytes():
    pictures = []
    for _ in range(2):
        canvas = Canvas(40.0, "a < b")
        canvas.text((1.0, 20.04), "c & d")
        canvas.line([(0.0, 1.0), (2.0, 3.0)], "blue", arrow=True)
        pictures.append(canvas.svg())
    assert pictures[0] == pictures[1]
    assert "<title>a &lt; b</title>" in pictures[0]
    assert 'y="20" class="f-ink"' in pictures[0]
    assert pictures[0].count("<marker") == 1


@pytest.mark.slow
def test_the_pictures_are_those_of_the_current_code(tmp_path):
    command = [sys.executable, "-m", "docs_scripts.drawings", str(tmp_path / "drawn")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert sorted(file.name for file in (tmp_path / "drawn").iterdir()) == sorted(DRAWN)
    for name in DRAWN:
        drawn, committed = ((f / name).read_text("utf-8") for f in (tmp_path / "drawn", FOLDER))
        again = f"{name} has changed: python -m docs_scripts.drawings docs/pictures"
        assert NUMBER.sub("#", drawn) == NUMBER.sub("#", committed), again
        numbers = (list(map(float, NUMBER.findall(text))) for text in (drawn, committed))
        assert next(numbers) == pytest.approx(next(numbers), abs=ROUNDING), again

"""The page on benchmarks names programs that are there, and every one that measures."""

import re

import pytest

from pulse_assets_tests.docs.pages import DOCS

ROOT = DOCS.parent
PAGE = (DOCS / "benchmarks.md").read_text("utf-8")
PROGRAMS = sorted({*re.findall(r"`python -m ([\w.]+)", PAGE)})
TARGETS = sorted({*re.findall(r"`make ([a-z-]+)`", PAGE)})


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_there(name):
    text = (ROOT / f"{name.replace('.', '/')}.py").read_text("utf-8")
    assert '__name__ == "__main__"' in text


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_is_there(name):
    assert re.search(rf"^{name}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


def test_every_benchmark_is_named_or_run_by_a_target():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    measuring = {
        f"benchmarks.{path.stem}"
        for path in (ROOT / "benchmarks").glob("*.py")
        if '__name__ == "__main__"' in path.read_text("utf-8")
    }
    run = {*re.findall(r"-m (benchmarks\.\w+)", makefile)}
    assert measuring - run - {*PROGRAMS} == set()


def test_pictures_are_small():
    for name in re.findall(r"\]\((pictures/[\w.]+)\)", PAGE):
        assert (DOCS / name).stat().st_size < 100_000

"""What the README shows is what the program does."""

import re
import shlex

import pytest

from pulse_assets.run_training import create_config_from_args, parse_args
from pulse_assets_tests.docs.pages import DOCS, Reader, blocks, commands

ROOT = DOCS.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
#: Commands in tables.
NAMED = re.findall(r"`(pulse-train(?! --help)[^`]*)`", README)
#: Commands in blocks; of `make` those need an installation.
TYPED = [
    command.words
    for block in blocks(README)
    if block.language == "console"
    for command in commands(block)
]


def test_it_is_short():
    assert len(README.split()) < 1_200


@pytest.mark.parametrize("line", NAMED)
def test_command_lines_are_understood(line):
    assert create_config_from_args(parse_args(shlex.split(line)[1:]))


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"(?:`|^)make ([a-z-]+)", "\n".join([README, *TYPED]), re.M)
    assert {"train", "ui", "docs"} <= set(named)
    assert set(named) <= set(re.findall(r"^([a-z-]+):", makefile, re.M))


def test_links_lead_to_files():
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert len(links) > 20
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.slow
def test_it_does_what_it_says(tmp_path, monkeypatch):
    """From the first command to the last, in one place; the UI has tests of its own."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / ".pulse"))
    monkeypatch.chdir(tmp_path)
    page = README.replace("$ make train", "$ pulse-train")
    Reader(tmp_path).run(re.sub(r"```console\n\$ make ui\n.*?```", "", page, flags=re.S))
    samples = ROOT / "pulse_assets" / "sample_data"
    (tmp_path / "my_data").symlink_to(samples)
    for line in NAMED:
        Reader(tmp_path).run(f"```console\n$ {line}\n```\n")

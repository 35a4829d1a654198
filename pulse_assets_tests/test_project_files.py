"""Files that say the same thing agree: version, dependencies, bundled data, commands."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from pulse_assets.catalog import CATALOG

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def pins(name):
    """The versions that a lock may install of each package."""
    found = {}
    for line in re.findall(r"^([\w.-]+)(?:\[.*\])?==(\S+)", text(name), re.M):
        found.setdefault(line[0], []).append(line[1])
    return found


def requirements(*extras):
    declared = [*PROJECT["dependencies"]]
    for extra in extras:
        declared += PROJECT["optional-dependencies"][extra]
    return [Requirement(line) for line in declared if not line.startswith("pulse-assets")]


def test_one_version():
    cited = yaml.safe_load(text("CITATION.cff"))
    ((released, day), *_) = re.findall(r"^## (\d\S*) - (\S+)$", text("CHANGELOG.md"), re.M)
    tags = [
        tag
        for name in ("dask-helm", "dagster-helm")
        for tag in re.findall(r"^ +tag: (\d\S*)$", text(f"deploy/{name}.yaml"), re.M)
    ]
    assert {cited["version"], released, *tags} == {PROJECT["version"]}
    assert cited["date-released"] == day
    assert len(tags) == 4


def test_the_version_stands_nowhere_else():
    """What compares them is above; code asks the installed package."""
    version = re.compile(rf"(?<![\d.]){re.escape(PROJECT['version'])}(?![\d.])")
    folders = [ROOT / name for name in ("pulse_assets", "deploy", "docs_scripts", "examples")]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    files += [ROOT / name for name in ("Makefile", "setup.cfg", ".ci/run", ".ci/release")]
    read = [file for file in files if file.suffix not in (".pyc", ".nbi", ".nbc")]
    named = {
        file.relative_to(ROOT).as_posix()
        for file in read
        if version.search(file.read_text(encoding="utf-8"))
    }
    assert named - {"deploy/requirements.txt"} == {
        "deploy/dagster-helm.yaml",
        "deploy/dask-helm.yaml",
    }


@pytest.mark.parametrize("name", ["constraints.txt", ".ci/requirements.txt"])
def test_the_lock_keeps_the_bounds(name):
    locked = pins(name)
    for requirement in requirements("postgres", "test", "dev"):
        versions = locked[requirement.name]
        assert versions, requirement
        assert all(requirement.specifier.contains(version) for version in versions), requirement


def test_both_locks_have_the_same_versions():
    locked = pins(".ci/requirements.txt")
    locked.pop("setuptools")
    constrained = pins("constraints.txt")
    constrained.pop("setuptools", None)
    assert locked == constrained


def test_the_image_installs_what_a_deployment_needs_and_each_package_by_its_hash():
    locked, constrained = pins("deploy/requirements.txt"), pins("constraints.txt")
    assert {requirement.name for requirement in requirements("postgres")} <= locked.keys()
    tools = {requirement.name for requirement in requirements("test", "dev")}
    assert not locked.keys() & (tools - {requirement.name for requirement in requirements()})
    locked.pop("setuptools")  # which builds the project
    others = {name for name in locked if not {*locked[name]} <= {*constrained.get(name, [])}}
    assert others == set()
    for name in ("deploy/requirements.txt", ".ci/deploy.txt"):
        (_, *packages) = re.split(r"^(?=\S+==)", text(name), flags=re.M)
        assert packages
        assert [package for package in packages if "--hash=sha256:" not in package] == []


def test_the_environment_of_statsforecast_keeps_the_bounds():
    locked = pins("constraints.txt") | pins(".ci/statsforecast.txt")
    for requirement in requirements("statsforecast", "test"):
        (version, *_) = locked[requirement.name]
        assert requirement.specifier.contains(version), requirement
    assert locked["pandas"][0].startswith("2.")
    assert pins("constraints.txt")["pandas"][0].startswith("3.")


def test_every_bundled_series_has_a_source():
    files = {file.name for file in (ROOT / "pulse_assets/sample_data").glob("*.csv")}
    for name in ("NOTICE", "pulse_assets/sample_data/README.md"):
        assert set(re.findall(r"historical_\w+\.csv", text(name))) == files, name


def test_the_page_on_the_architecture_names_files_that_exist():
    page = text("docs/architecture.md")
    paths = re.findall(r"`((?:pulse_assets|pulse_assets_tests)/[\w./]+)`", page)
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []
    rows = re.findall(r"^\| `(\w+)` \| `([\w/]+\.py)` \|", page, re.M)
    assert [name for name, _ in rows] == [asset.name for asset in CATALOG]
    assert [path for _, path in rows if not (ROOT / "pulse_assets" / path).exists()] == []
    for name in ("README.md", "CONTRIBUTING.md"):
        assert "(docs/architecture.md)" in text(name), name


def test_commands_for_contributors_exist():
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.M))
    assert set(re.findall(r"(?:`|\$ )make ([a-z-]+)", text("CONTRIBUTING.md"))) <= targets

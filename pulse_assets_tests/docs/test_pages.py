"""Every block of every page runs, and prints what the page shows."""

import json
import shlex
import tomllib

import boto3
import pytest
import yaml

from pulse_assets.run_training import create_config_from_args, parse_args
from pulse_assets_tests.docs.pages import DOCS, Reader, agrees, arguments, blocks, commands
from pulse_assets_tests.storage.conftest import credentials, s3_server  # noqa: F401 - fixtures

PAGES = {str(path.relative_to(DOCS)): path.read_text("utf-8") for path in DOCS.rglob("*.md")}
PARSERS = {
    "json": json.loads,
    "toml": tomllib.loads,
    "yaml": lambda text: [*yaml.safe_load_all(text)],
}
LANGUAGES = {"console", "python", "text", "csv", "markdown", "dockerfile", *PARSERS}
RUN = [
    name
    for name, page in PAGES.items()
    if any(block.language in {"console", "python"} and not block.reason for block in blocks(page))
]


@pytest.fixture
def buckets(s3_server, credentials, monkeypatch):  # noqa: F811
    """The buckets that the pages name: one with the bundled series, one for results."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.url)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    region = "eu-west-1"
    client = boto3.client("s3", region_name=region, endpoint_url=s3_server.url)
    there = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
    for bucket in ("my-data", "my-results"):
        if bucket not in there:  # the server is that of all tests
            place = {"LocationConstraint": region}
            client.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
        for item in client.list_objects_v2(Bucket=bucket).get("Contents", ()):
            client.delete_object(Bucket=bucket, Key=item["Key"])
    for file in (DOCS.parent / "pulse_assets" / "sample_data").glob("*.csv"):
        client.upload_file(str(file), "my-data", f"fred/{file.name}")


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN)
def test_a_page_does_what_it_says(name, tmp_path, monkeypatch, request):
    if "s3://my-" in PAGES[name]:
        request.getfixturevalue("buckets")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / ".pulse"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("PULSE_STORE", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    Reader(tmp_path).run(PAGES[name])


@pytest.mark.parametrize("name", PAGES)
def test_blocks_are_well_formed(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # with the files that commands name
    for block in blocks(PAGES[name]):
        if block.title:
            (tmp_path / block.title).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / block.title).write_text(block.text, encoding="utf-8")
        assert block.language in LANGUAGES, f"line {block.line}"
        if block.language == "python":
            compile(block.text, name, "exec")
        PARSERS.get(block.language, str)(block.text)
        if block.language == "console":
            assert commands(block), f"line {block.line}: no line begins with '$ '"
            for words in arguments("pulse-train", block):
                assert create_config_from_args(parse_args(words))


def test_few_blocks_are_spared():
    spared = {name: [b.reason for b in blocks(page) if b.reason] for name, page in PAGES.items()}
    assert max(map(len, spared.values())) <= 6, spared
    assert all(len(reason.split()) > 3 for reasons in spared.values() for reason in reasons)


def test_a_page_that_shows_other_output_fails(tmp_path):
    page = "```console\n$ echo one; echo two in 3.0 s\none\ntwo in 5.1 s\n```\n"
    Reader(tmp_path).run(page)
    with pytest.raises(AssertionError, match="the page shows"):
        Reader(tmp_path).run(page.replace("one\ntwo", "one\nthree"))
    with pytest.raises(AssertionError, match="false"):
        Reader(tmp_path).run("```console\n$ false\n```\n")
    Reader(tmp_path).run("```console\n$ false # exit 1\n```\n")


def test_files_and_python_of_a_page(tmp_path):
    Reader(tmp_path).run(
        '```csv title="a.csv"\nx\n1\n```\n'
        '```python\nfrom pathlib import Path\nn = len(Path("a.csv").read_text())\n```\n'
        "```python\nprint(n)\n```\n```text\n4\n```\n"
    )


def test_ellipsis_and_folder(tmp_path):
    assert agrees("a ...\nz /home/you/x", f"a b\nc\nz {tmp_path}/x", tmp_path)
    assert not agrees("a\nz", "a\nb\nz", tmp_path)


def test_words_of_a_command():
    (block,) = blocks("```console\n$ pulse-train --models naive \\\n> ses # exit 1\nfailed\n```\n")
    (command,) = commands(block)
    assert shlex.split(command.words) == ["pulse-train", "--models", "naive", "ses"]
    assert (command.code, command.output) == (1, "failed\n")

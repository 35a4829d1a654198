"""What a person sees and does in the Dagster UI, in a real browser."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pulse_assets.report.serve import report_server
from pulse_assets.settings import TrainingOptions, dagster_home
from pulse_assets.storage.store import open_store
from pulse_assets_tests.execution.clusters import wait_until
from pulse_assets_tests.report.made import make_pairs
from pulse_assets_tests.report.test_page import build
from pulse_assets_tests.test_four_ways import (
    BREAKABLE,
    BROKEN,
    LAST,
    UserInterface,
    deployment,
    free_port,
    quick_daemon,
    wait_for,
)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CONFIG = f"""
execution: {{config: {{cluster: {{local: {{n_workers: 1}}}}}}}}
resources:
  training:
    config: {{models: [naive, "{BREAKABLE}"], horizons: [1], on_rule_error: fail}}
"""
#: Milliseconds that a page, and that a backfill, may take on a busy machine.
PAGE, BACKFILL = 60_000, 240_000

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium"),
]


@pytest.fixture
def report_url(settings):
    """The address of the report's server."""
    store = open_store(settings.store)
    server = report_server(0, lambda: store.read("training_report/training_report.html"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def dagster_ui(settings, report_url, tmp_path):
    """The address of `dagster dev` behind the guard, as `make ui` starts it."""
    port, home = free_port(), dagster_home()
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(__file__).parents[1] / "dagster.yaml", home)
    command = [sys.executable, "-m", "pulse_assets.dagster.ui", "dev"]
    with (tmp_path / "servers.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "-m", "pulse_assets.definitions", "-h", "127.0.0.1", "-p", str(port)],
            env=deployment(settings)
            | quick_daemon()
            | {"PULSE_REPORT_URL": report_url, "BROKEN_VALUES": " ".join(BROKEN)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(UserInterface(port), process, tmp_path / "servers.log")
        assert "guard: browsers reach the UI as 127.0.0.1" in (tmp_path / "servers.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def page(tmp_path):
    """A window of Chromium."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with contextlib.closing(browser.new_page(viewport={"width": 1500, "height": 1000})) as page:
            page.set_default_timeout(PAGE)
            yield page
        browser.close()


def choose(page, dagster_ui, choice, chosen):
    """Choose partitions in the dialog of *Materialize all*."""
    page.goto(f"{dagster_ui}/asset-groups")
    page.get_by_text("Materialize all").first.click()
    page.wait_for_load_state("networkidle")  # a choice made before partitions are known has none
    page.get_by_role("button", name=choice, exact=True).click()
    page.get_by_text(chosen, exact=True).first.wait_for()


def launch(page, dagster_ui, choice, chosen):
    """Fill in the dialog of *Materialize all* and launch it."""
    choose(page, dagster_ui, choice, chosen)
    page.get_by_text("Config", exact=True).last.click()
    page.get_by_role("button", name="Add config").click()
    page.get_by_text("html_io").first.wait_for()
    page.locator(".CodeMirror").last.evaluate("(at, text) => at.CodeMirror.setValue(text)", CONFIG)
    page.get_by_role("button", name="Save config").click()
    page.get_by_role("button", name=re.compile("Launch (backfill|1 run)")).click()


def test_a_person_finds_launches_watches_mends_and_reads(
    page, dagster_ui, report_url, settings, source
):
    page.goto(f"{dagster_ui}/asset-groups")  # the graph
    for group in ("history", "training", "trust", "results"):
        page.get_by_text(group, exact=True).first.wait_for()

    page.goto(f"{dagster_ui}/assets/retrodictions")  # what an asset says of itself
    page.get_by_text("Every rule forecasts every target of the batch").first.wait_for()
    page.get_by_text("date of the last observation the rule may use").first.wait_for()
    page.get_by_text("train_batches.py").first.wait_for()  # the link to the code

    job = "locations/pulse_assets.definitions/jobs/retrodiction_training"
    page.goto(f"{dagster_ui}/{job}/playground")  # the launchpad
    page.get_by_text("interval_level").first.wait_for()
    shown = page.inner_text("body")
    assert all(name in shown for name, one in options().items() if one.default is not None)
    assert "html_io?" in shown
    assert f"store: {settings.store}" in shown  # a run may name another one

    line = source / "historical_line.csv"
    three_break = line.read_text()
    one_breaks = three_break.replace(",42.0\n", ",42.25\n").replace(",43.5\n", ",43.75\n")
    none_breaks = one_breaks.replace(",45.0\n", ",45.25\n")
    line.write_text(one_breaks)
    launch(page, dagster_ui, "All", "12 partitions")
    page.goto(f"{dagster_ui}/assets/training_report?view=events")
    link = page.locator(f'a[href="{report_url}"]').first
    link.wait_for(timeout=BACKFILL)

    page.goto(f"{dagster_ui}/assets/retrodictions?view=partitions")  # one batch failed
    page.get_by_text("Materialized (11)").wait_for()
    page.get_by_text("Failed (1)").wait_for()
    line.write_text(none_breaks)
    launch(page, dagster_ui, "Failed and missing", "1 partition")
    page.get_by_text("Launched run").wait_for()
    page.goto(f"{dagster_ui}/runs")
    page.get_by_text("Success", exact=True).first.wait_for(timeout=BACKFILL)
    page.goto(f"{dagster_ui}/assets/retrodictions?view=partitions&partition={LAST}")
    page.get_by_text("Materialized (12)").wait_for()

    page.goto(f"{dagster_ui}/assets/training_report?view=events")
    with page.expect_popup() as opened:
        link.click()
    opened.value.get_by_text("Next forecasts").first.wait_for()

    page.goto(f"{dagster_ui}/assets/batch_metrics?view=checks&checkDetail=no_failed_batches")
    page.get_by_text("Passed", exact=True).first.wait_for()
    page.goto(f"{dagster_ui}/assets/retrodictions?view=checks&checkDetail=no_lookahead")
    page.get_by_text(LAST).first.wait_for()  # what it saw, without a click

    line.write_text(three_break)  # three batches that succeeded fail in a later backfill
    launch(page, dagster_ui, "All", "12 partitions")
    page.goto(f"{dagster_ui}/assets/retrodictions?view=partitions")
    page.get_by_text("Failed (3)").wait_for(timeout=BACKFILL)
    page.get_by_text("Materialized (9)").wait_for()
    choose(page, dagster_ui, "Failed and missing", "3 partitions")
    page.goto(f"{dagster_ui}/assets/batch_metrics?view=checks&checkDetail=no_failed_batches")
    page.get_by_text("Failed", exact=True).first.wait_for()


#: What a page may try; each tells whether the browser sent it and what became of it.
ATTACK = """async ([ui, mutation]) => {
  const address = `${ui}/graphql?query=${encodeURIComponent(mutation)}`;
  const body = JSON.stringify({query: mutation});
  const json = {"Content-Type": "application/json"};
  const attempts = {
    get: () => fetch(address, {mode: "no-cors"}),
    image: () => new Promise((done) => { const image = new Image();
      image.onload = image.onerror = done; image.src = address; }),
    simple: () => fetch(address, {method: "POST", mode: "no-cors", body}),
    json: () => fetch(`${ui}/graphql`, {method: "POST", headers: json, body}),
    form: () => new Promise((done) => {
      document.body.innerHTML = '<iframe name="hidden"></iframe><form method="post" ' +
        'enctype="text/plain" target="hidden"><input name="a"></form>';
      document.querySelector("iframe").addEventListener("load", done, {once: true});
      document.forms[0].action = address; document.forms[0].submit(); }),
    socket: () => new Promise((done) => {
      const socket = new WebSocket(`${ui.replace("http", "ws")}/graphql`, "graphql-ws");
      socket.onerror = () => done("refused");
      socket.onopen = () => { socket.close(); done("open"); }; }),
  };
  const ended = {};
  for (const [name, attempt] of Object.entries(attempts))
    ended[name] = await attempt().then((answer) => answer?.type || answer, () => "blocked");
  return ended;
}"""
STOLEN = 'mutation { setConcurrencyLimit(concurrencyKey: "stolen", limit: 3) }'
STORED = "{ instance { concurrencyLimits { concurrencyKey } } }"


@pytest.fixture
def foreign_page(page):
    """A page of another site: another port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Foreign</title><body>")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page.goto(f"http://127.0.0.1:{server.server_port}/")
    yield page
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("program", ["dagster_webserver", "pulse_assets.dagster.ui webserver"])
def test_a_page_on_another_port_can_use_dagster_and_cannot_use_it_behind_the_guard(
    foreign_page, program, tmp_path
):
    port, home, log = free_port(), tmp_path / "home", tmp_path / "ui.log"
    home.mkdir()
    shutil.copy(Path(__file__).parents[1] / "dagster.yaml", home)
    where = ("--empty-workspace", "-h", "127.0.0.1", "-p", str(port))
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *program.split(), *where],
            env=os.environ | {"DAGSTER_HOME": str(home)},
            stdout=out,
            stderr=out,
        )
    try:
        ui = UserInterface(port)
        wait_until(lambda: answers(port), 60)
        ended = foreign_page.evaluate(ATTACK, [f"http://127.0.0.1:{port}", STOLEN])
        stolen = ui.ask(STORED)["instance"]["concurrencyLimits"]
        guarded = program != "dagster_webserver"
        assert bool(stolen) != guarded, ended
        assert ended["socket"] == ("refused" if guarded else "open")
        foreign_page.goto(f"http://127.0.0.1:{port}/runs")  # by a link or by its address
        foreign_page.get_by_text("Runs", exact=True).first.wait_for()
        assert ui.ask(STOLEN) == {"setConcurrencyLimit": True}
    finally:
        process.terminate()
        process.wait(60)


def answers(port):
    with contextlib.suppress(OSError):
        return socket.create_connection(("127.0.0.1", port)).close() is None


def test_a_person_searches_sorts_and_unfolds_the_report(page, tmp_path):
    file, errors = tmp_path / "report.html", []
    file.write_text(build(make_pairs(variables=("gdp", "cpi", "gdp_deflator"))), encoding="utf-8")
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(file.as_uri())
    listed = page.locator("#trust tbody tr:visible th")
    assert sorted(listed.all_inner_texts()) == ["cpi", "gdp", "gdp_deflator"]
    page.get_by_label("Search").fill("GDP")
    assert sorted(listed.all_inner_texts()) == ["gdp", "gdp_deflator"]
    assert page.locator("details.card:visible").count() == 2
    assert page.locator("output").inner_text() == "2 of 3 listed"
    page.get_by_label("Search").fill("")
    page.get_by_label("Show").select_option("better")
    better = page.locator('#trust tbody tr[data-skill]:not([data-skill^="-"])').count()
    assert listed.count() == better
    page.get_by_label("Show").select_option("")

    board = page.locator("#leaderboard table").first
    heading = board.get_by_role("button", name="Mase")
    heading.focus()
    page.keyboard.press("Enter")  # without a mouse
    column = board.locator("tbody tr td:nth-child(4)").all_inner_texts()
    numbers = [float(text) for text in column if text != "\N{EN DASH}"]
    assert numbers == sorted(numbers, reverse=True)
    heading.click()
    column = board.locator("tbody tr td:nth-child(4)").all_inner_texts()
    assert [float(text) for text in column if text != "\N{EN DASH}"] == sorted(numbers)
    assert board.locator('th[aria-sort="ascending"]').inner_text() == "Mase"

    missing = page.locator("#trust tbody tr").nth(1).locator("td").nth(1)
    missing.evaluate("cell => cell.lastChild.textContent = '\N{EN DASH}'")
    for column in (2, 3, 5, 7):  # skill, over median, trust, pairs
        for order in (-1, 1):
            page.locator(f"#trust thead th:nth-child({column}) button").click()
            cells = page.locator(f"#trust tbody tr > :nth-child({column})").all_inner_texts()
            numbers = [as_number(cell) for cell in cells]
            present = [number for number in numbers if number is not None]
            assert present == sorted(present, reverse=order < 0), column
            assert None not in numbers[: len(present)]  # what is missing comes last

    assert page.locator("details.card svg:visible").count() == 0
    page.locator("#trust tbody a").first.click()  # the link to the card unfolds it
    assert page.locator("details.card[open]").count() == 1
    page.get_by_role("button", name="Unfold all").click()
    assert page.locator("details.card[open]").count() == 3
    page.get_by_role("button", name="Fold all").click()
    assert page.locator("details.card[open]").count() == 0
    for width in (390, 1400):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert errors == []


def test_of_a_served_report_our_own_script_runs_and_no_other(page):
    """What somebody has put into the page of the store: a script, a handler, a frame, a picture."""
    report = build(make_pairs(variables=("gdp", "cpi", "gdp_deflator")))
    planted = (
        "<script>window.planted = 1</script><p onclick='window.planted = 2'>planted</p>"
        "<img src='/picture' onerror='window.planted = 3'><iframe srcdoc='<p>frame'></iframe>"
        "<a href='javascript:window.planted = 4'>follow</a>"
    )
    server = report_server(0, lambda: report.replace("</main>", f"{planted}</main>").encode())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    failed, said = [], []
    page.on("requestfailed", lambda request: failed.append((request.url, request.failure)))
    page.on("console", lambda message: said.append(message.text))
    try:
        url = f"http://127.0.0.1:{server.server_port}/"
        answer = page.goto(url)
        assert answer.header_value("x-content-type-options") == "nosniff"
        page.get_by_label("Search").fill("GDP")  # ours
        assert page.locator("output").inner_text() == "2 of 3 listed"
        page.get_by_text("planted", exact=True).click()
        page.get_by_text("follow", exact=True).click()
        assert page.evaluate("window.planted") is None
        assert failed == [(f"{url}picture", "csp")]
        assert sum("Content Security Policy" in line for line in said) >= 4
        bar = page.locator("#trust .bar b").first  # styles of single cells hold
        assert bar.evaluate("cell => cell.style.left") != ""
        missing = page.request.get(f"{url}picture")
        assert (missing.status, missing.headers["x-content-type-options"]) == (404, "nosniff")
    finally:
        server.shutdown()
        server.server_close()


def as_number(text):
    """The number at the beginning of a cell."""
    found = re.match(r"[+\N{MINUS SIGN}]?[\d.]+", text.replace("\N{NARROW NO-BREAK SPACE}", ""))
    return float(found[0].replace("\N{MINUS SIGN}", "-")) if found else None


def test_of_seven_variables_the_report_is_short_before_anything_is_unfolded(page, tmp_path):
    names = [f"variable_{i}" for i in range(7)]
    models = ("naive", *(f"rule_{i}" for i in range(16)), "ensemble", "ensemble_median")
    batches = [f"{year}-01-01" for year in range(1990, 2022)]
    pairs = make_pairs(names, models, horizons=(1, 2, 3, 6, 12), batches=batches, days=1)
    file = tmp_path / "report.html"
    file.write_text(build(pairs), encoding="utf-8")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(file.as_uri())
    assert page.locator("#periods .heat thead th").count() == 1 + len(batches)
    assert page.evaluate("document.documentElement.scrollHeight") < 6000


def test_the_report_says_everything_without_a_script(page, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(build(make_pairs()), encoding="utf-8")
    context = page.context.browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(file.as_uri())
    assert not plain.get_by_label("Search").is_visible()
    assert plain.locator("#trust tbody tr").count() == 2
    plain.locator("details.card summary").first.click()
    assert plain.locator("details.card svg:visible").count() == 5
    context.close()


def test_hostile_names_in_the_report_run_nothing(page, tmp_path):
    """Names that no source can have, should they ever reach the page."""
    names = ("<script>hacked()</script>", '"><img src=x onerror=hacked()>', "'; hacked(); '")
    models = ("naive", "</td><svg onload=hacked()>", "ensemble", "ensemble_median")
    file = tmp_path / "report.html"
    file.write_text(build(make_pairs(variables=names, models=models)), encoding="utf-8")
    called, requested = [], []
    page.expose_function("hacked", lambda: called.append(1))
    page.on("request", lambda request: requested.append(request.url))
    page.on("dialog", lambda dialog: called.append(dialog.message))
    page.goto(file.as_uri())
    page.wait_for_load_state("networkidle")
    shown = page.inner_text("body")
    assert all(name in shown for name in names)
    assert page.locator("img, svg[onload], [onerror]").count() == 0
    assert page.locator("script").count() == 1  # the page's own
    assert called == []
    assert requested == [file.as_uri()]


def options():
    return TrainingOptions.model_fields

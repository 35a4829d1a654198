import re
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import pyarrow as pa
import pytest

from pulse_assets.catalog import NEXT_FORECASTS, TRUST_LEDGER
from pulse_assets.report import build_report
from pulse_assets.report.page import (
    FIGURED_VARIABLES,
    best_rules,
    choose_figured,
    rank_variables,
)
from pulse_assets_tests.report.made import (
    BATCHES,
    MODELS,
    PUBLICATION,
    make_forecasts,
    make_pairs,
    make_results,
    make_retrodictions,
    make_summary,
    make_tables,
    score_pairs,
    summarise_made,
    to_metrics,
)

NO_FORECASTS = NEXT_FORECASTS.empty_table()
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Outline(HTMLParser):
    """Tags, ids and headings of a page; fails on a tag that is closed out of turn."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.ids, self.headings, self.inside = [], [], [], [], {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        for parent in set(self.open):
            self.inside.setdefault(parent, []).append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)


def build(pairs, **changes):
    summary = make_summary(pairs)
    tables = make_tables(pairs, summary, forecasts=make_forecasts(pairs["variable"].unique()))
    return build_report(summary.results | changes, tables)


def build_unscored(**changes):
    summary = summarise_made(to_metrics(score_pairs(make_pairs())[:0]), TRUST_LEDGER.empty_table())
    tables = make_tables(
        make_pairs(),
        skill=summary.skill_by_horizon,
        ledger=TRUST_LEDGER.empty_table(),
        periods=summary.scores_by_period,
    )
    return build_report(summary.results | changes, tables)


def text_of(html):
    bare = re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.DOTALL)
    bare = re.sub(r"<[^>]+>", " ", bare).replace("\N{NO-BREAK SPACE}", " ")
    return re.sub(r"\s+", " ", bare)


@pytest.fixture(scope="module")
def pairs():
    return make_pairs()


@pytest.fixture(scope="module")
def html(pairs):
    return build(pairs)


def test_the_page_needs_no_network(html):
    outline = Outline(html)
    assert not {"link", "img", "iframe", "object"} & {tag for tag, _ in outline.tags}
    assert [attrs for tag, attrs in outline.tags if tag == "script"] == [{}]  # its own, inline
    links = [v for _, attrs in outline.tags for k, v in attrs.items() if k in ("src", "href")]
    links += re.findall(r"url\(([^)]*)\)", html) + re.findall(r'xlink:href="([^"]*)"', html)
    assert links
    assert all(link.startswith("#") for link in links)
    assert "@import" not in html


def test_the_page_is_well_formed_with_unique_ids(html):
    outline = Outline(html)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))


def test_headings_never_skip_a_level(html):
    headings = Outline(html).headings
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(headings))


def test_tables_have_captions_and_figures_have_texts(html):
    outline = Outline(html)
    assert outline.count("table") == outline.count("caption") > 3
    figures = outline.count("figure")
    assert figures == outline.count("figcaption") == outline.count("svg")
    labels = [attrs["aria-label"] for _, attrs in outline.tags if attrs.get("role") == "img"]
    assert len(labels) == figures == 2 + 2 * 5 + 2
    assert all(len(label) > 30 for label in labels)


def test_figures_are_xml_and_take_their_colours_from_the_page(html):
    svgs = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    assert svgs
    styles = html[html.index("<style>") : html.index("</style>")]
    for svg in svgs:
        ElementTree.fromstring(svg)
        assert "<style" not in svg
        assert not re.search(r"(?:fill|stroke): #", svg)
        for name in re.findall(r"var\((--[a-z]+), #[0-9a-f]{6}\)", svg):
            assert styles.count(f"{name}: #") == 2  # light and dark
    assert all("currentColor" in svg for svg in svgs)


def test_axes_are_labelled_with_their_units(html):
    for label in (
        *("trust (0..1)", "horizon (steps)", "level (unit of the series)"),
        *("level of the quantile (%)", "outcomes below (%)"),
    ):
        assert label in html


def test_the_first_screen_answers_the_question(html, pairs):
    results = make_results(pairs)
    details = results["variables"]["details"]
    text = text_of(html)
    better = sum(entry["skill"] > 0 for entry in details.values())
    assert f"The ensemble beats naive for {better} of 2 variables" in text
    skill = next(r["skill"] for r in results["models"] if r["model"] == "ensemble")
    assert skill < 0
    assert f"{-100 * skill:.1f} % larger" in text
    table = text[text.index("Which rules to trust") : text.index("Read with care")]
    for name, entry in details.items():
        trusted = [
            f"{row['model']} {100 * row['skill']:+.1f} %"
            for row in results["models_by_variable"][name]
            if row["skill"] > 0 and not row["partial"] and not row["model"].startswith("ensemble")
        ]
        skills = {row["model"]: row["skill"] for row in results["models_by_variable"][name]}
        gain = 1 - (1 - entry["skill"]) / (1 - skills["ensemble_median"])
        row = f"{name} {100 * entry['skill']:+.1f} % over median {100 * gain:+.1f} % "
        row += " ".join(trusted) or "none beats naive"
        assert row.replace("-", "\N{MINUS SIGN}") in table
        assert f"{entry['trust']:.2f} ({entry['trust_lower']:.2f}\N{EN DASH}" in table
    assert "does not say when the values of 2 of 2 variables were public" in text


def test_the_next_forecasts_stand_beside_what_was_retrodicted(html):
    text = text_of(html)
    table = text[text.index("Next forecasts The") : text.index("Leaderboard Every")]
    assert "1 step 3 steps" in table
    assert "gdp 9.00 2020-04-04 10.0 8.5 to 11.5 2020-05-04 12.0 10.5 to 13.5 2020-07-04" in table
    assert "what was predicted, horizon 1" in table


def test_at_most_three_rules_are_named_that_beat_naive():
    skills = {"ensemble": 0.5, "a": 0.4, "b": 0.3, "late": 0.9, "c": 0.2, "d": 0.1, "naive": 0.0}
    board = [{"model": m, "skill": s, "partial": m == "late"} for m, s in skills.items()]
    found = best_rules({"models_by_variable": {"gdp": board}}, "gdp")
    assert [row["model"] for row in found] == ["a", "b", "c"]


def test_the_first_paragraph_says_how_far_the_intervals_can_be_relied_on():
    pairs = make_pairs()
    (ours,) = [row for row in make_results(pairs)["models"] if row["model"] == "ensemble"]
    said = f"its 80&nbsp;% intervals held {100 * ours['coverage']:.1f}\N{NO-BREAK SPACE}% of them."
    assert said in build(pairs)


def test_rules_scored_in_part_stand_at_the_end_of_the_leaderboard(html):
    table = html[html.index("<h2>Leaderboard") : html.index("<details>")]
    partial = re.findall(r'<tr class="partial"><th scope="row">(\w+)', table)
    assert sorted(partial) == ["drift", "mean"]
    assert re.findall(r'scope="row">(\w+)', table)[-2:] == partial
    assert "scored on part of the pairs only" in table


def test_leaderboards_show_the_quantile_loss_and_in_units_that_of_one_variable(html, pairs):
    results = make_results(pairs)
    first = html[html.index("<h2>Leaderboard") : html.index("<dl class=")]
    variables = html[html.index("<h2>Each variable") : html.index("<h2>Leaderboard")]
    others = variables.split('<details class="card"')[1:]
    assert "Rule Skill Win rate Mase Sql Coverage Trust" in text_of(first)
    (ours,) = [row for row in results["models"] if row["model"] == "ensemble"]
    assert f"{ours['mase']:.2f} {ours['sql']:.2f} {ours['coverage']:.2f}" in text_of(first)
    assert len(others) == 2
    for part in others:
        assert "Mase Sql Wis Coverage" in text_of(part)
        name = re.findall("<summary><h3>(.*?)</h3>", part)[0]
        for row in results["models_by_variable"][name]:
            assert f"{row['sql']:.2f} {row['wis']:.3g}" in text_of(part)


def test_the_glossary_explains_quantiles(html):
    terms = re.findall("<dt>(.*?)</dt>", html)
    assert {"Quantile", "Sql, wis", "Calibration", "PIT"} <= {*terms}


def test_the_shares_of_each_variable_are_listed_and_those_far_off_are_coloured(html):
    table = html[html.index('id="calibration"') : html.index('id="significance"')]
    text = text_of(table).replace("&nbsp;", " ")
    # 16, 33 and 57 of 80 pairs; of each series 40
    said = "Of 80 outcomes the 80 % intervals hold 51.2 %: too narrow; 41.2 % lie below the"
    assert f"{said} median: forecasts neither too high nor too low." in text
    assert "Variable 10 % 50 % 90 % Outcomes" in text
    assert "gdp 22.5 40.0 65.0 40" in text
    assert "cpi 17.5 42.5 77.5 40" in text
    # chance is 9.5 points at 10 and 90 %, 15.8 at 50 %
    assert re.findall('class="poor">([0-9.]+)<', table) == ["65.0"]


def test_a_variable_without_quantiles_has_no_line_and_none_at_all_no_section(pairs):
    counts = make_results(pairs)["calibration"]
    some = counts | {"variables": {"gdp": counts["variables"]["gdp"]}}
    page = build(pairs, calibration=some)
    table = page[page.index('id="calibration"') : page.index('id="significance"')]
    assert "gdp" in table
    assert "cpi" not in table
    assert 'id="calibration"' not in build(pairs, calibration=counts | {"models": {}})


def test_of_many_levels_nine_are_listed(pairs):
    levels = [round(level / 100, 2) for level in range(1, 100)]
    counts = {"n": 1000, "below": levels, "pit": [10] * 100}
    many = {"levels": levels, "models": {"ensemble": counts}, "variables": {"gdp": counts}}
    results = make_results(pairs)
    page = build_report(results | {"calibration": many}, make_tables(pairs))
    text = text_of(page).replace("&nbsp;", " ")
    assert "Variable 1 % 13 % 25 % 38 % 50 % 62 % 75 % 87 % 99 % Outcomes" in text
    assert "gdp 1.0 13.0 25.0 38.0 50.0 62.0 75.0 87.0 99.0 1" in text


def test_equal_input_gives_the_equal_page(html, pairs):
    assert build(pairs) == html


HOSTILE = "<script>alert('$\\frac{')</script>"


def test_hostile_names_stay_text():
    models = ("naive", "<em>bold</em>", "$x^{2$", "ensemble", "ensemble_median")
    pairs = make_pairs(variables=(HOSTILE, '" onload="x'), models=models)
    page = build(
        pairs,
        errors=[{"batch": "2020-01-01", "type": "<i>", "message": "{{ 7 * 7 }} <img src=x>"}],
        skipped=[{"batch": "2020-01-01", "reason": "<svg onload=x>"}],
        configuration={"<u>": {"nested": "</td><script>"}},
    )
    outline = Outline(page)
    assert not {"bold", "u", "img"} & {tag for tag, _ in outline.tags}
    assert outline.count("script") == 1  # the page's own
    assert not any(name.startswith("on") for _, attrs in outline.tags for name in attrs)
    assert "&lt;script&gt;alert(" in page
    assert "&lt;em&gt;bold&lt;/em&gt;" in page
    assert "$x^{2$" in page
    assert "{{ 7 * 7 }}" in page


def test_without_a_scored_batch_the_page_says_so():
    text = text_of(build_unscored())
    assert "No forecast has been scored yet" in text
    assert "Leaderboard" not in text
    assert "Failed batches None." in text


def test_a_variable_without_ledger_or_forecasts_has_no_such_figure(pairs):
    nothing = make_retrodictions(pairs)[:0]
    ledger = TRUST_LEDGER.empty_table()
    tables = make_tables(pairs, ledger=ledger, retrodictions=nothing, quills=nothing)
    page = build_report(make_results(pairs), tables)
    assert "Weights by year" in page
    for title in ("Trust over time", "All forecasts over the outcome", "Predicted against"):
        assert title not in page
    assert "Next forecasts" not in page


def test_one_batch_one_horizon_one_rule():
    page = build(make_pairs(models=("naive", "ensemble"), horizons=(2,), batches=BATCHES[:1]))
    assert Outline(page).count("figure") == 2 + 2 * 5 + 2


def test_long_lists_are_cut_and_say_so():
    errors = [
        {"batch": f"b{i:04}", "type": "E", "message": f"{i}" + "m" * 5000} for i in range(150)
    ]
    skipped = [{"batch": "2020-01-01", "reason": f"reason {i}"} for i in range(60)]
    text = text_of(build_unscored(errors=errors, skipped=skipped))
    assert "150 failed; the first 100 of 150 different errors are shown" in text
    assert "b0099" in text
    assert "b0100" not in text
    assert "m" * 700 not in text
    assert "the 50 most frequent of 60 reasons are shown" in text


def test_the_first_screen_names_what_some_batches_do_not_predict(pairs):
    entry = {"reason": "no data", "count": 1, "first": "2020-01-01", "last": "2020-01-01"}
    skipped = [{"variable": f"v{i}"} | entry for i in range(8)]
    text = text_of(build(pairs, skipped_variables=skipped))
    assert "Some batches do not predict v0, v1, v2, v3, v4 and 3 more." in text
    assert "Some batches do not predict" not in text_of(build(pairs))


def test_rules_on_leading_indicators_are_folded(pairs):
    models = (*MODELS, "ar_with_cpi")
    page = build(make_pairs(variables=("gdp",), models=models))
    board = page.partition('id="leaderboard"')[2]
    assert board.index("<details") < board.index('<th scope="row">ar_with_*</th>')
    assert "ar_with_*" not in build(pairs)


def test_skipped_batches_stand_in_one_row_a_reason():
    skipped = [{"batch": f"2020-{i:02}-01", "reason": "no data"} for i in range(1, 10)]
    text = text_of(build_unscored(skipped=skipped))
    assert "9 batches in which nothing was predicted, by reason" in text
    assert "2020-01-01 to 2020-09-01 9 batches no data" in text


def test_of_many_variables_the_best_and_the_worst_are_drawn():
    names = [f"v{i:02}" for i in range(20)]
    assert choose_figured(names) == names[:8] + names[-8:]
    assert choose_figured(names[:FIGURED_VARIABLES]) == names[:FIGURED_VARIABLES]


@pytest.mark.slow
def test_the_page_says_how_many_variables_it_draws():
    names = tuple(f"v{i:02}" for i in range(20))
    page = build(make_pairs(variables=names, horizons=(1,), batches=BATCHES[:2], days=2))
    assert "shown for 16 of 20 variables" in text_of(page)
    assert Outline(page).count("figure") == 16 + 16 * 5 + 2


def test_with_thousands_of_variables_the_page_stays_small_and_says_what_it_lists(pairs):
    results, names = make_results(pairs), [f"v{i:05}" for i in range(10_000)]
    details = results["variables"]["details"]["gdp"]
    board = results["models_by_variable"]["gdp"]
    described = results["variables"] | {"details": dict.fromkeys(names, details)}
    many = {
        "variables": described,
        "models_by_variable": dict.fromkeys(names, board),
        "reasons": dict.fromkeys(names, ("holt carries 31 % of the ensemble in 2009." * 5,)),
    }
    ahead = make_forecasts(names, models=["ensemble"])
    page = build_report(results | many, make_tables(pairs, forecasts=ahead))
    assert len(page) < 3_000_000
    assert f"{600 - 16} more in words" in text_of(page)
    text = text_of(page)
    assert text.count("Sql") == 17 + 1  # leaderboards and glossary
    said = "600 of 10 000 variables are listed: those of highest and of lowest"
    assert text.count(said) == 2
    assert "Figures and leaderboards are shown for 16 of 10 000" in text
    assert page.count('scope="row">v00299<') == 2 > page.count('scope="row">v00300<') == 0
    assert '<a href="#variable-299">v00299</a>' in page
    assert page.count('id="variable-299"') == 1


def test_variables_are_ranked_by_skill_and_the_undefined_come_last():
    skills = {"a": None, "b": -0.1, "c": 0.2, "d": -0.1}
    details = {name: {"skill": skill} for name, skill in skills.items()}
    assert rank_variables({"variables": {"details": details}}) == ["c", "b", "d", "a"]


def test_tables_in_several_chunks_read_alike(html, pairs):
    half = len(pairs) // 2
    parts = pa.concat_tables([make_retrodictions(pairs[half:]), make_retrodictions(pairs[:half])])
    assert parts.num_rows == make_retrodictions(pairs).num_rows
    tables = make_tables(pairs, retrodictions=parts, forecasts=make_forecasts())
    assert build_report(make_results(pairs), tables) == html


def test_the_report_says_which_days_of_publication_are_assumed(pairs):
    given = {"publication": "published_at", "assumed": 0, "lag_days": None, "releases": 1200}
    some = given | {"assumed": 2, "lag_days": 1, "revised": 0}
    text = text_of(build(pairs, publication={"b": PUBLICATION, "a": given | {"revised": 7}}))
    assert "does not say when the values of 1 of 2 variables were public" in text
    rows = "a in the source 1 200 7 b assumed: 30 days after the period 9 0"
    assert rows in text.replace("\N{NARROW NO-BREAK SPACE}", " ")
    text = text_of(build(pairs, publication={"a": some}))
    assert "a in the source; of 2 dates assumed, 1 day after the period" in text
    assert "Read with care" not in text


def test_each_variable_has_a_card_with_reasons_figures_and_its_rules(html, pairs):
    results = make_results(pairs)
    cards = html[html.index('id="variables"') : html.index('id="leaderboard"')]
    for name in ("gdp", "cpi"):
        card = text_of(cards[cards.index(f"<h3>{name}<") :])
        for sentence in results["reasons"][name]:
            assert sentence.replace("'", "&#39;") in card
    titles = ["Weights by year", "Trust over time", "Skill by horizon"]
    titles += ["All forecasts over the outcome", "Predicted against observed"]
    assert re.findall(r"<figcaption><h3>(.*?)</h3>", cards) == 2 * titles


def test_rules_on_leading_indicators_are_folded_away(pairs):
    board = make_results(pairs)["models_by_variable"]
    other = board["gdp"][-1] | {"model": "ar_with_cpi"}
    page = build(pairs, models_by_variable=board | {"gdp": [*board["gdp"], other]})
    cards = page[page.index('id="variables"') : page.index('id="leaderboard"')]
    assert cards.count("ar_with_cpi") == 1
    folded = cards[cards.index("1 rule on leading indicators") :]
    assert "ar_with_cpi" in folded[: folded.index("</details>")]


def test_skill_by_horizon_is_a_table_of_coloured_cells(html, pairs):
    section = html[html.index('id="horizons"') : html.index('id="calibration"')]
    rows = make_summary(pairs).skill_by_horizon.to_pylist()
    for name, shown in ((None, "all variables"), ("gdp", "gdp"), ("cpi", "cpi")):
        skills = [r["skill"] for r in rows if (r["variable"], r["model"]) == (name, "ensemble")]
        cells = " ".join(f"{100 * skill:.0f}" for skill in skills)
        assert f"{shown} {cells}".replace("-", "\N{MINUS SIGN}") in text_of(section)
    assert section.count("rgba(213,94,0,") == 6  # all are worse than naive


def test_every_link_has_a_target_and_every_variable_a_link(html):
    outline = Outline(html)
    targets = [attrs["href"] for tag, attrs in outline.tags if tag == "a"]
    assert {"#variable-0", "#variable-1"} <= {*targets}
    assert {target[1:] for target in targets} <= {*outline.ids}

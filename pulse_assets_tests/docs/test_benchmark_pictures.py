"""The pictures of the page on benchmarks are drawn from the results of `make bench`."""

import json
import sys

from docs_scripts import benchmark_pictures

ACCURACY = {
    "parts": {"report half": {"series": 2, "models": {"ensemble": {"by_horizon": [0.7, 0.8]}}}},
    "peers": {"series": 1, "models": {"AutoETS": {"by_horizon": [0.9, 0.8]}}},
}
OURS = {"ensemble": 0.8, "ensemble_median": 0.9, "holt": 0.7, "drift": 0.95, "Naive2": 1.0}
PEERS = {"ensemble": 0.5, "AutoETS": 1.0, "DynamicOptimizedTheta": 1.1, "AutoCES": 1.2}
COMPETITIONS = {
    "sets": {"M1 yearly": {"models": {name: {"owa": owa} for name, owa in OURS.items()}}},
    "peers": {"M1 yearly": {"models": {name: {"sql": sql} for name, sql in PEERS.items()}}},
}


def test_pictures_show_the_models_and_are_equal_when_drawn_again(tmp_path, monkeypatch):
    for name, result in (("accuracy", ACCURACY), ("competitions", COMPETITIONS)):
        (tmp_path / f"{name}.json").write_text(json.dumps(result))
    monkeypatch.setattr(sys, "argv", ["", "--results", str(tmp_path), "--output", str(tmp_path)])
    benchmark_pictures.main()
    first = {path: path.read_bytes() for path in tmp_path.glob("*.svg")}
    assert sorted(path.name for path in first) == [
        "benchmarks_accuracy.svg",
        "benchmarks_competitions.svg",
    ]
    text = b"".join(first.values()).decode()
    for words in ("2 series held out", ">AutoETS<", ">the best single rule<", ">M1<"):
        assert words in text
    benchmark_pictures.main()
    assert all(path.read_bytes() == drawn for path, drawn in first.items())


def test_the_best_single_rule_is_neither_an_ensemble_nor_the_reference():
    figure = benchmark_pictures.draw_competitions(COMPETITIONS)
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert heights == [0.8, 0.9, 0.7]

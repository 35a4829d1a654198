"""Signs of decay at the command line, in the results and through the sensor of the examples."""

import importlib.util
import json
from pathlib import Path

import dagster as dg
import pytest

from pulse_assets.run_training import main

EXAMPLE = Path(__file__).parents[1] / "examples" / "decay_alarm.py"


@pytest.fixture
def words(tmp_path, monkeypatch):
    """Monthly batches; the last value of the series is far off."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    (tmp_path / "source").mkdir()
    months = [f"{1998 + i // 12}-{i % 12 + 1:02d}-01" for i in range(144)]
    values = [10.0 + i % 5 - i % 3 for i in range(143)] + [900.0]
    rows = "\n".join(f"{month},{value}" for month, value in zip(months, values, strict=True))
    (tmp_path / "source" / "historical_x.csv").write_text(f"timestamp,value\n{rows}\n")
    few = ["--models", "ses", "--horizons", "1", "--max-workers", "1", "--max-partners", "0"]
    dates = ["--start-date", "2006-07-01", "--end-date", "2009-12-31"]
    places = ["--source", str(tmp_path / "source"), "--store", str(tmp_path / "store")]
    return [*places, *few, *dates, "--batch-cadence", "monthly"]


def test_results_status_and_sensor_name_variable_rule_and_first_bad_batch(
    words, tmp_path, capsys, monkeypatch
):
    assert main([*words]) == 0  # it warns
    out = " ".join(capsys.readouterr().out.split())
    assert "2 signs of decay, 2 rules watched (about 2.5 % of rules have" in out
    assert "x, ensemble, since batch 2009-12-01: the loss of the last batch" in out
    results = json.loads((tmp_path / "store/training_results/training_results.json").read_text())
    losses = [a for a in results["alarms"] if a["kind"] == "loss"]
    assert {a["model"] for a in losses} == {"ensemble", "ses"}
    (check,) = [c for c in results["checks"] if c["name"] == "no_rule_decays"]
    assert (check["passed"], check["severity"]) == (False, "WARN")

    assert main(["status", *words]) == 0
    status = capsys.readouterr().out
    assert "trust" not in status
    assert "signs of decay\n  x, ensemble, since batch 2009-12-01" in status
    assert main(["status", "--json", *words]) == 0
    assert json.loads(capsys.readouterr().out)["alarms"] == results["alarms"]

    (tmp_path / "store/trust_ledger/trust_ledger.parquet").unlink()
    assert main(["status", *words]) == 0
    assert "whether trust has fallen is not known" in " ".join(capsys.readouterr().out.split())
    assert main(["status", "--json", *words]) == 0
    assert json.loads(capsys.readouterr().out)["trust_watched"] is False

    monkeypatch.setenv("PULSE_STORE", str(tmp_path / "store"))
    spec = importlib.util.spec_from_file_location("decay_alarm", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    assert "decay_alarm" in {sensor.name for sensor in example.defs.sensors}
    sent = []
    sensor = example.build_decay_alarm(example.settings, sent.append)
    context = dg.build_sensor_context()
    sensor(context)
    assert len(sent) == 1
    assert "x, ensemble, since batch 2009-12-01" in sent[0]
    again = dg.build_sensor_context(cursor=context.cursor)
    assert "0 new signs of decay of 2" in sensor(again).skip_message
    assert len(sent) == 1
    one_sent = dg.build_sensor_context(cursor=json.dumps(json.loads(context.cursor)[:1]))
    assert "1 new signs of decay of 2" in sensor(one_sent).skip_message
    assert sent[1:] == sent[0].splitlines()[1:]
    with pytest.raises(ValueError, match="PULSE_SLACK_WEBHOOK"):
        example.send("to nobody")


def test_status_of_an_empty_store_names_no_decay(words, capsys):
    assert main(["status", *words]) == 1
    out = capsys.readouterr().out
    assert "decay" not in out
    assert "trust" not in out


def test_status_of_an_earlier_end_knows_no_later_trust(words, tmp_path, capsys):
    """The series stops swinging in 2009, so that its mean is no longer closer than naive."""
    months = [f"{1998 + i // 12}-{i % 12 + 1:02d}-01" for i in range(144)]
    values = [10.0 + (-1.0) ** i if i < 134 else 10.0 + i for i in range(144)]
    rows = "\n".join(f"{month},{value}" for month, value in zip(months, values, strict=True))
    (tmp_path / "source" / "historical_x.csv").write_text(f"timestamp,value\n{rows}\n")
    words = ["mean" if word == "ses" else word for word in words]
    assert main(words) == 0
    capsys.readouterr()
    kinds = []
    for end in ("2009-12-31", "2008-01-31"):
        until = [end if word == "2009-12-31" else word for word in words]
        assert main(["status", "--json", *until]) == 0
        kinds.append({alarm["kind"] for alarm in json.loads(capsys.readouterr().out)["alarms"]})
    assert "trust" in kinds[0]
    assert "trust" not in kinds[1]

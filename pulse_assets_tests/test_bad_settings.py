"""Every field of the settings with values that it cannot have, made from the model itself."""

from datetime import date, timedelta

import annotated_types
import pytest
import yaml

from pulse_assets.settings import TrainingConfig, dagster_home
from pulse_assets_tests.test_run_training import assert_refused, command  # noqa: F401

#: A step beyond a bound, by the kind of the bound.
BEYOND = {
    annotated_types.Ge: lambda bound: before(bound.ge),
    annotated_types.Gt: lambda bound: bound.gt,
    annotated_types.Le: lambda bound: after(bound.le),
    annotated_types.Lt: lambda bound: bound.lt,
}


#: Values of the right type that one field cannot have.
PARTICULAR = {
    "publication_lag_days": (
        *(-1, 3651, 1.5, "soon", True, None, [1], date(2005, 1, 1)),
        *({"a": -1}, {"a": "soon"}, {"a": 1.5}, {"a": True}, {"a": None}, {"../x": 1}, {3: 3}),
    ),
    "quantiles": ([0], [1], [-0.5], [0.5, 0.5], [0.5, "half"], ["1e-12"], [True], 0.5),
    "bounds": (
        *({"a": "5"}, {"a": "1:0"}, {"a": ":"}, {"a": ""}, {"a": "x:"}, {"a": "nan:"}, {"a": 0}),
        *({"a": None}, {"a": [0, 1]}, "0:", ["a=0:"], {"../x": "0:"}, {3: "0:"}),
    ),
    "score_against": (0, -1, 1.0, "0", "-1", "zeroth", "", None, ["first"], "99999"),
}


#: No text that anybody could mean: line breaks, control characters, far too long, look-alikes.
ABSURD = ("a\nb", "a\tb", "\x1b[31mred", "a\u202eb", "a\u200bb", "x" * 10_000, "\uff533://bucket")


def before(value):
    return value - (timedelta(1) if isinstance(value, date) else 1)


def after(value):
    return value + (timedelta(1) if isinstance(value, date) else 1)


def bad_values(name, field):
    """Yield values of the wrong type, out of range and absurd for one field."""
    kind = str(field.annotation)
    yield "no mapping" if "dict" in kind else {"a": {"b": 1}}
    yield [[]] if "dict" in kind or "list" not in kind else [[1, 2], {}]
    if "int" in kind or "float" in kind:
        yield from ("many", "", "1e999", "1" * 5000, float("nan"), float("-inf"), -(10**40))
    if "bool" in kind:
        yield from ("maybe", 2, -1.5)
    if "date" in kind:
        yield from ("2020-02-30", "soon", "0000-00-00", "99999-01-01", True, 1.5)
    if "Literal" in kind:
        yield from ("", "best", "DMSFE ", 3, "x" * 5000)
    if "str" in kind and "list" not in kind and "dict" not in kind:
        yield from (True, 1.5, *([] if name == "score_against" else [3]))
    yield from PARTICULAR.get(name, ())
    if "Path" in kind:
        yield from (3, *([] if name.endswith("_dir") else ["/"]))
    if "str" in kind or "Path" in kind:
        for text in ABSURD:
            yield [text] if "list" in kind else {text: "daily"} if "dict" in kind else text
    if "list" in kind:
        yield from ([], "one", [None], [{}])
    for bound in field.metadata:
        if type(bound) in BEYOND:
            yield BEYOND[type(bound)](bound)


CASES = [
    pytest.param(name, value, id=f"{name}-{i}")
    for name, field in TrainingConfig.model_fields.items()
    for i, value in enumerate(bad_values(name, field))
]


def test_every_field_has_its_cases():
    assert {case.values[0] for case in CASES} == set(TrainingConfig.model_fields)
    assert len(CASES) > 150


@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_bad_setting_is_one_line(command, tmp_path, name, value):  # noqa: F811
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump({name: value}))
    store = [] if name == "store" else ["--store", tmp_path / "store"]
    ran = command("--config", file, *store)
    assert_refused(ran, [name], tmp_path)
    assert list(tmp_path.iterdir()) == [file]
    assert not dagster_home().exists()

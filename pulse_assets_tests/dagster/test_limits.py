"""What run config may name is limited by PULSE_ALLOW_*; the command line and Python are free."""

import dagster as dg
import pytest

from pulse_assets import TrainingConfig, train
from pulse_assets.dagster.definitions import build_definitions
from pulse_assets.dagster.executor import LOCAL_OPTIONS
from pulse_assets.dagster.jobs import JOB_NAME
from pulse_assets.dagster.resources import DATA_SETTINGS
from pulse_assets.errors import ConfigurationError
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.settings.environment import ALLOW_VARIABLES, check_unread
from pulse_assets.settings.limits import LIMITS, check_limits

RULE = "pulse_assets_tests.own_rules:Breakable"


def data(**values):
    return {"resources": {"data": {"config": values}}}


def models(*names):
    return {"resources": {"training": {"config": {"models": ["naive", *names]}}}}


def cluster(**kind):
    return {"execution": {"config": {"cluster": kind}}}


#: By variable: what it allows; run config that is allowed, some that is not, and the value named.
CASES = [
    ("SCHEDULERS", "tcp://ours:8786", cluster(existing={"address": "tcp://ours:8786"}), None),
    ("SCHEDULERS", "tcp://a:1", cluster(existing={"address": "tcp://b:1"}), "'tcp://b:1'"),
    ("SCHEDULERS", "tcp://a:1", cluster(ssh={"remote_python": "sh"}), "'ssh'"),
    ("SCHEDULERS", "ssh", cluster(ssh={"remote_python": "sh"}), None),
    ("SCHEDULERS", "", cluster(local={"n_workers": 2}), None),
    ("STORES", "/srv/a, s3://b/c", data(store="/srv/a/d"), None),
    ("STORES", "/srv/a, s3://b/c", data(store="s3://b/c"), None),
    ("STORES", "/srv/a, s3://b/c", data(store="/srv/ab"), "'/srv/ab'"),
    ("STORES", "/srv/a, s3://b/c", data(store="/srv/a/../b"), "'/srv/a/../b'"),
    ("STORES", "/srv/a, s3://b/c", data(store="s3://b/cd"), "'s3://b/cd'"),
    ("STORES", "", data(store="/srv"), "'/srv'"),
    ("STORES", "", data(), None),
    ("SOURCES", "sample-uk", data(source="sample-uk"), None),
    ("SOURCES", "sample-uk", data(source="/etc"), "'/etc'"),
    ("SOURCES", "", data(source="sample"), None),  # the deployment's own
    ("RULES", "pulse_assets_tests", models(RULE), None),
    ("RULES", RULE, models(RULE), None),
    ("RULES", "pulse_assets_tests.own", models(RULE), f"'{RULE}'"),
    ("RULES", "", models("seasonal_naive"), None),
    ("RULES", "", models("statsforecast:AutoETS"), "'statsforecast:AutoETS'"),
    ("ENDPOINTS", "https://ceph:1", data(s3_endpoint_url="https://ceph:1/"), None),
    ("ENDPOINTS", "https://ceph:1", data(s3_endpoint_url="https://evil"), "'https://evil'"),
    ("PROFILES", "team", data(aws_profile="team"), None),
    ("PROFILES", "team", data(aws_profile="admin"), "'admin'"),
]


@pytest.fixture(scope="module")
def job():
    return build_definitions(Settings(source="sample")).resolve_job_def(JOB_NAME)


@pytest.mark.parametrize(("what", "allowed", "config", "refused"), CASES, ids=str)
def test_run_config_names_what_the_deployment_allows(
    job, monkeypatch, what, allowed, config, refused
):
    dg.validate_run_config(job, config)  # without the variable nothing is limited
    monkeypatch.setenv(f"PULSE_ALLOW_{what}", allowed)
    if refused is None:
        dg.validate_run_config(job, config)
        return
    with pytest.raises(dg.DagsterInvalidConfigError) as caught:
        dg.validate_run_config(job, config)
    line = str(caught.value).strip()
    assert len(line.splitlines()) == 1
    assert f"{refused} is not allowed here: PULSE_ALLOW_{what} allows " in line
    assert line.endswith(f"or let the deployment add it to PULSE_ALLOW_{what}")


def test_a_link_in_an_allowed_directory_does_not_lead_out_of_it(tmp_path, monkeypatch):
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "link").symlink_to(tmp_path)
    monkeypatch.setenv("PULSE_ALLOW_SOURCES", str(tmp_path / "allowed"))
    check_limits({"source": str(tmp_path / "allowed" / "new")})
    with pytest.raises(ConfigurationError, match="is not allowed here"):
        check_limits({"source": str(tmp_path / "allowed" / "link" / "secret")})


def test_each_place_and_each_code_that_run_config_can_name_has_a_limit():
    harmless = {"max_source_bytes", "aws_region", "s3_requester_pays"}
    texts = {"variables", "calendar", "frequencies", "bounds", "periods", "publication_lag_days"}
    numbers = {
        name
        for name, field in TrainingOptions.model_fields.items()
        if not {str, list[str]} & {field.annotation} and "str" not in str(field.annotation)
    }
    chosen = {"on_rule_error", "ensemble", "score_against"}
    open_ended = {*DATA_SETTINGS, *TrainingOptions.model_fields} - harmless - texts - numbers
    assert open_ended - chosen | {"scheduler"} == LIMITS.keys()
    assert sorted(limit.variable for limit in LIMITS.values()) == sorted(ALLOW_VARIABLES)


@pytest.mark.parametrize("name", ["PULSE_ALLOW_STORE", "PULSE_ALLOW_BUCKETS", "PULSE_ALLOW_"])
def test_a_limit_that_would_not_hold_is_an_error(name):
    with pytest.raises(ConfigurationError, match=f"the variable {name} is not read: "):
        check_unread([name, *ALLOW_VARIABLES], [], [])


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"preload": ["evil"]}, "cluster local has no option 'preload': it takes n_workers, "),
        ({"host": "0.0.0.0"}, "cluster local has no option 'host': it takes n_workers, "),
        ({"memory_limit": "much"}, "memory_limit = 'much' is no size: write one as 2GiB"),
    ],
)
def test_options_of_a_local_cluster_are_named_ones(job, options, line):
    with pytest.raises(dg.DagsterInvalidConfigError) as caught:
        dg.validate_run_config(job, cluster(local=options))
    assert str(caught.value).strip().startswith(line)
    assert len(str(caught.value).strip().splitlines()) == 1


def test_the_options_of_a_local_cluster_are_those_of_dask(job):
    import inspect

    from distributed import LocalCluster, Nanny

    known = {*inspect.signature(LocalCluster).parameters, *inspect.signature(Nanny).parameters}
    assert known >= {*LOCAL_OPTIONS}
    every = {"n_workers": 2, "threads_per_worker": 1, "memory_limit": "1GiB"}
    every["dashboard_address"] = "127.0.0.1:0"
    assert every.keys() == {*LOCAL_OPTIONS}
    dg.validate_run_config(job, cluster(local=every))


def test_python_is_free(source, tmp_path, monkeypatch):
    for variable in ALLOW_VARIABLES:
        monkeypatch.setenv(variable, "")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    config = TrainingConfig(
        source=str(source),
        store=str(tmp_path / "store"),
        models=["naive", RULE],
        start_date="2005-01-01",
        end_date="2005-12-26",
        batch_limit=1,
        max_workers=1,
    )
    assert train(config).success

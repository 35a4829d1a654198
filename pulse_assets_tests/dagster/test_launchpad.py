"""What the launchpad of the Dagster UI refuses, asked through the GraphQL that it speaks."""

import pytest

from pulse_assets import TrainingConfig
from pulse_assets_tests.assets.test_graph import OF_ANOTHER_SHAPE, OUT_OF_BOUNDS
from pulse_assets_tests.test_four_ways import IN_PROCESS, user_interface  # noqa: F401 - fixture

pytestmark = pytest.mark.slow

_CHECK = """
query Check($job: PipelineSelector!, $config: RunConfigData!) {
  isPipelineConfigValid(pipeline: $job, runConfigData: $config, mode: "default") {
    __typename
    ... on RunConfigValidationInvalid { errors { message } }
  }
}"""
_LAUNCH = """
mutation Launch($run: ExecutionParams!) {
  launchRun(executionParams: $run) {
    __typename
    ... on RunConfigValidationInvalid { errors { message } }
    ... on PythonError { message }
  }
}"""
_RUNS = "{ runsOrError { ... on Runs { count } } }"


def of_run(training, cluster=IN_PROCESS):
    """The GraphQL arguments of a run of the job."""
    job = {
        "repositoryName": "__repository__",
        "repositoryLocationName": "pulse_assets.definitions",
        "pipelineName": "retrodiction_training",
    }
    config = {
        "execution": {"config": {"cluster": cluster}},
        "resources": {"training": {"config": training}},
    }
    return job, config


def typed(ui, *what):
    """What the launchpad says while one types."""
    job, config = of_run(*what)
    return ui.ask(_CHECK, job=job, config=config)["isPipelineConfigValid"]


def launched(ui, *what):
    """What pressing *Launch* does."""
    job, config = of_run(*what)
    chosen = {"selector": job, "runConfigData": config, "mode": "default"}
    return ui.ask(_LAUNCH, run=chosen)["launchRun"]


def test_wrong_values_are_refused_with_a_line_that_says_why(source, tmp_path, user_interface):  # noqa: F811
    config = TrainingConfig(
        source=str(source),
        store=str(tmp_path / "store"),
        start_date="2005-01-01",
        end_date="2005-12-26",
    )
    with user_interface(config) as ui:
        for training, text in OF_ANOTHER_SHAPE:
            found = typed(ui, training)
            assert found["__typename"] == "RunConfigValidationInvalid"
            assert text in found["errors"][0]["message"]
            assert launched(ui, training)["__typename"] == "RunConfigValidationInvalid"
        wrong = [(training, IN_PROCESS, text) for training, text in OUT_OF_BOUNDS]
        wrong.append(({}, {"local": {"n_workers": 0}}, "n_workers = 0 must be at least 1"))
        for training, cluster, text in wrong:
            refused = launched(ui, training, cluster)
            assert refused["__typename"] == "PythonError"
            assert text in refused["message"]
            assert len(refused["message"].strip().splitlines()) == 1
        backfill = ui.ended(ui.launch({"history_days": 0}, ui.keys()))
        assert backfill["status"] == "FAILED"
        assert "history_days = 0 must be at least 1" in backfill["error"]["message"]
        assert ui.ask(_RUNS)["runsOrError"]["count"] == 0
        assert typed(ui, {"history_days": 1})["__typename"] == "PipelineConfigValidationValid"
        assert launched(ui, {"history_days": 1})["__typename"] == "LaunchRunSuccess"

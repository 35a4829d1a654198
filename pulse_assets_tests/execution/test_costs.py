"""What batches cost: measured per block, shared out evenly, and added up."""

from dataclasses import replace

import pytest

from pulse_assets.batches.windows import make_batch
from pulse_assets.execution.batch_task import BatchTask, fail_batches, run_batches
from pulse_assets.execution.costs import add_costs, peak_memory
from pulse_assets.execution.tally import NoProgress, RunTally
from pulse_assets.result_records import Costs
from pulse_assets.retrodiction.hosted_rules import rule_versions
from pulse_assets.retrodiction.rule_process import fresh_hosts
from pulse_assets.settings import TrainingOptions

KEYS = ["2005-04-01", "2005-05-31", "2005-06-30"]


@pytest.fixture
def block(settings, options):
    """A task of three batches."""
    frequencies = {"line": "monthly", "wave": "monthly"}
    named = {"variables": list(frequencies), "frequencies": frequencies}
    options = TrainingOptions(**options.model_dump() | named)
    batches = [make_batch(key, settings.end_date, 30, options.variables) for key in KEYS]
    return BatchTask(tuple(batches), settings, options)


def tallied(summaries):
    tally = RunTally(len(summaries), NoProgress())
    for summary in summaries:
        tally.add(summary)
    return tally.costs


def test_the_batches_of_a_block_have_equal_shares_of_what_it_wrote(block):
    summaries = run_batches(block)
    assert len({summary.costs for summary in summaries}) == 1
    assert {summary.block for summary in summaries} == {3}
    total, objects = tallied(summaries), sum(len(summary.bytes) for summary in summaries)
    assert total.bytes_written == sum(sum(summary.bytes.values()) for summary in summaries)
    assert total.batches == 3
    assert total.requests >= objects == 12
    assert total.processor_seconds > 0
    assert 2**20 < total.peak_memory_bytes <= peak_memory()


def test_batches_that_are_stored_already_are_read_and_not_written(block):
    stored = tallied(run_batches(block)).bytes_written
    again = run_batches(
        replace(block, options=TrainingOptions(**block.options.model_dump() | {"resume": True}))
    )
    assert all(summary.unchanged for summary in again)
    total = tallied(again)
    assert (total.batches, total.bytes_written) == (3, 0)
    assert total.bytes_read >= stored


def test_the_costs_of_a_batch_that_lost_its_worker_are_not_known(block):
    lost = fail_batches(block, RuntimeError("gone"))
    assert {summary.costs for summary in lost} == {None}
    assert tallied(lost) == Costs()


def test_the_processor_seconds_of_users_rules_count(block, monkeypatch):
    """Their process works, and the thread that waits for it does not."""
    rule = "pulse_assets_tests.own_rules:Busy"
    options = TrainingOptions(**block.options.model_dump() | {"models": ["naive", rule]})
    monkeypatch.setattr("pulse_assets.execution.costs.time.thread_time", lambda: 0.0)
    with fresh_hosts():
        versions = rule_versions([rule], options.rule_timeout_seconds)
        (summary,) = run_batches(
            BatchTask(block.batches[:1], block.settings, options, rules=versions)
        )
    assert summary.costs.processor_seconds >= 0.05


def test_memory_that_is_not_known_is_left_out_of_the_maximum():
    known, unknown = Costs(peak_memory_bytes=5), Costs(peak_memory_bytes=None)
    assert add_costs(unknown, known).peak_memory_bytes == 5
    assert add_costs(unknown, unknown).peak_memory_bytes is None

"""Messages and causes of failed runs, read from the errors that Dagster records in its events."""

import dagster as dg

from pulse_assets.dagster.instance import DATABASE_ERRORS, lost_records
from pulse_assets.dagster.internals import ErrorInfo
from pulse_assets.settings import dagster_home

#: How the names of our own errors begin.
_OURS = "pulse_assets."
#: Names of the errors by which Dagster records an interrupt.
_INTERRUPTS = frozenset({dg.DagsterExecutionInterruptedError.__name__, KeyboardInterrupt.__name__})


def failure_message(event: dg.DagsterEvent) -> str:
    """Return the message of a failed step, without traceback."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    return error_message(data.error) if data.error else "a step failed"


def job_failure_message(event: dg.DagsterEvent) -> str:
    """Return the message of a run that failed outside of its steps, on one line."""
    error = recorded_error(event)
    cause = error_message(error).splitlines()[0] if error else event.message
    return f"the run ended without results: {cause}"


def is_interrupt(event: dg.DagsterEvent) -> bool:
    """Return whether a step or run failed because of an interrupt."""
    error = recorded_error(event)
    return error is not None and _root_cause(error).cls_name in _INTERRUPTS


def engine_warning(event: dg.DagsterEvent) -> str | None:
    """Return what Dagster itself could not do for a run that goes on, on one line; else None.

    Such as to store what a step printed.
    """
    if event.event_type != dg.DagsterEventType.ENGINE_EVENT or not event.engine_event_data.error:
        return None
    cause = _root_cause(event.engine_event_data.error).message.strip().splitlines()[0]
    return f"{event.message}: {cause}"


def recorded_error(event: dg.DagsterEvent) -> ErrorInfo | None:
    """Return the error of a failed step or run; None for any other event."""
    if event.is_step_failure:
        return event.step_failure_data.error
    return event.job_failure_data.error if event.is_job_failure else None


def error_message(error: ErrorInfo) -> str:
    """Return the message of the first error of this package in the chain, else of the root cause.

    An error of the database of Dagster's records gets the message that says what to do.
    """
    chain = [error]
    while following := chain[-1].cause or chain[-1].context:
        chain.append(following)
    for link in chain:
        name, _, text = link.message.strip().partition(": ")
        if name.startswith(_OURS):
            return text
        if link.cls_name in DATABASE_ERRORS:
            return lost_records(text, dagster_home())
    return _root_cause(error).message.strip()


def _root_cause(error: ErrorInfo) -> ErrorInfo:
    while error.cause:
        error = error.cause
    return error

"""A Dagster sensor that sends new signs of decay on, to a Slack channel or by e-mail.

    export PULSE_SLACK_WEBHOOK=https://hooks.slack.com/services/...
    python -m pulse_assets.dagster.ui dev -f examples/decay_alarm.py

or with PULSE_ALARM_MAIL=you@example.org and PULSE_SMTP_HOST=localhost. The deployment is that of
the environment, as in `pulse_assets.definitions`. Switch the sensor `decay_alarm` on in the UI.
"""

import json
import os
import smtplib
import urllib.request
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from typing import Any

import dagster as dg

from pulse_assets.definitions import build_definitions
from pulse_assets.settings import Settings
from pulse_assets.settings.config_file import deployment_of
from pulse_assets.stages.decay import describe_alarm
from pulse_assets.storage.objects import read_object
from pulse_assets.storage.store import MissingObjectError, open_store


def send(text: str) -> None:
    """Post a text to Slack, send it by e-mail, or both; without an address it is an error."""
    webhook, address = os.environ.get("PULSE_SLACK_WEBHOOK"), os.environ.get("PULSE_ALARM_MAIL")
    if not (webhook or address):
        raise ValueError("set PULSE_SLACK_WEBHOOK or PULSE_ALARM_MAIL")
    if webhook:
        body = json.dumps({"text": text}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(webhook, body, headers)  # noqa: S310 - yours
        urllib.request.urlopen(request, timeout=30).close()  # noqa: S310
    if address:
        message = EmailMessage()
        message["Subject"], message["From"], message["To"] = "Signs of decay", address, address
        message.set_content(text)
        with smtplib.SMTP(os.environ.get("PULSE_SMTP_HOST", "localhost"), timeout=30) as server:
            server.send_message(message)


def build_decay_alarm(settings: Settings, send: Callable[[str], None]) -> dg.SensorDefinition:
    """Return a sensor that sends those alarms of the stored results that it has not sent."""

    @dg.sensor(name="decay_alarm", minimum_interval_seconds=300)
    def decay_alarm(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        store = open_store(settings.store, settings.s3)
        try:
            alarms = json.loads(read_object(store, "training_results", "json"))["alarms"]
        except MissingObjectError:
            return dg.SkipReason("there are no results yet")
        sent = {*json.loads(context.cursor or "[]")}
        names = {_name(alarm): describe_alarm(alarm) for alarm in alarms}
        new = [text for name, text in names.items() if name not in sent]
        if new:
            send("\n".join(new))
        context.update_cursor(json.dumps([*names]))  # once it is sent: an error is tried again
        return dg.SkipReason(f"{len(new)} new signs of decay of {len(names)}")

    return decay_alarm


def _name(alarm: Mapping[str, Any]) -> str:
    return " ".join(alarm[part] for part in ("kind", "variable", "model", "first_batch"))


settings, options = deployment_of()
defs = dg.Definitions.merge(
    build_definitions(settings, options=options),
    dg.Definitions(sensors=[build_decay_alarm(settings, send)]),
)

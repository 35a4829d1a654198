"""A Dagster sensor that sends new signs of decay on, to a Slack channel or by e-mail.

    export PULSE_SLACK_WEBHOOK=https://hooks.slack.com/services/...
    dagster dev -f examples/decay_alarm.py

or with PULSE_ALARM_MAIL=you@example.org and PULSE_SMTP_HOST=localhost. The deployment is that of
the environment, as in `pulse_assets.definitions`. Switch the sensor `decay_alarm` on in the UI.
"""

import hashlib
import json
import os
import smtplib
import urllib.request
from collections.abc import Callable
from email.message import EmailMessage

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
    """Return a sensor that sends the alarms of the stored results whenever they change."""

    @dg.sensor(name="decay_alarm", minimum_interval_seconds=300)
    def decay_alarm(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        store = open_store(settings.store, settings.s3)
        try:
            alarms = json.loads(read_object(store, "training_results", "json"))["alarms"]
        except MissingObjectError:
            return dg.SkipReason("there are no results yet")
        names = [(a["kind"], a["variable"], a["model"], a["first_batch"]) for a in alarms]
        cursor = hashlib.sha256(json.dumps(names).encode()).hexdigest()
        if cursor == context.cursor:
            return dg.SkipReason("no new sign of decay")
        if alarms:
            send("\n".join(describe_alarm(alarm) for alarm in alarms))
        context.update_cursor(cursor)  # not before it is sent: an error is tried again
        return dg.SkipReason(f"{len(alarms)} signs of decay")

    return decay_alarm


settings, options = deployment_of()
defs = dg.Definitions.merge(
    build_definitions(settings, options=options),
    dg.Definitions(sensors=[build_decay_alarm(settings, send)]),
)

"""The page on settings, from their pydantic models and from the definitions of Dagster."""

import datetime
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

import dagster as dg
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from docs_scripts.reference.markdown import (
    block,
    bullets,
    code,
    codes,
    heading,
    joined,
    link,
    page_of,
    prose,
    sentence,
    table,
)
from pulse_assets.cli.parser import flag
from pulse_assets.dagster.component import RetrodictionComponent
from pulse_assets.dagster.definitions import build_definitions
from pulse_assets.dagster.resources import DATA_SETTINGS, describe_option
from pulse_assets.retrodiction.rules import RULES
from pulse_assets.settings import Settings, TrainingConfig, TrainingOptions
from pulse_assets.settings.environment import VARIABLES
from pulse_assets.settings.limits import LIMITS
from pulse_assets.settings.setting import (
    environment_variables,
    groups,
    per_run_settings,
    settings_without_effect,
)

#: Settings of a deployment on which the stored tables of a batch depend: they make its window.
WINDOW: Final = ("batch_size_days", "batch_cadence")
#: What other settings decide about batches, although their numbers do not depend on it.
_EFFECTS: Final = {
    "source": "depend on the values in it",
    **dict.fromkeys(("start_date", "end_date", "batch_limit"), "it decides which there are"),
}
#: The name of a rule in a text.
_RULE: Final = re.compile(rf"(?<![\w`.:])({'|'.join(RULES)})(?![\w`])")
#: How the page calls a type.
_TYPES: Final = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    datetime.date: "date",
    Path: "path",
}
#: A file of settings.
FILE: Final = """\
source: my_data
store: my_results
variables: [gdp, inflation]
start_date: 2005-01-01
end_date: today
batch_cadence: monthly
horizons: [1, 3, 12]
publication_lag_days: {gdp: 45}
bounds: {inflation: "-20:100"}
"""
#: Run config that sets each resource, and the cluster.
RUN_CONFIG: Final = """\
execution:
  config:
    cluster:
      local:
        n_workers: 4
resources:
  training:
    config:
      variables: [gdp_growth, inflation_rate]
      horizons: [1, 3]
      resume: true
  data:
    config:
      source: sample
      store: /srv/pulse/store
"""
#: A component in `defs.yaml`.
COMPONENT: Final = """\
type: pulse_assets.RetrodictionComponent
attributes:
  key_prefix: [rates]
  source: /srv/pulse/rates
  batch_cadence: monthly
  end_date: today
"""


def page() -> str:
    """Return the page."""
    return page_of(
        "Settings",
        "Look up every setting: its type, its default, and where it can be given. The models that "
        "check the values write this page at each build.",
        _where(),
        *(_group(title, names) for title, names in _groups()),
        _environment(),
        _file(),
        _dagster(),
        _component(),
    )


def _where() -> str:
    return joined(
        heading(2, "Where a setting is given"),
        "A value is checked before anything is computed. For the command line, the first of these "
        "places that has a setting decides:",
        table(
            ("place", "form"),
            [
                ("option", code("--batch-size-days 7")),
                ("file of `--config`", code("batch_size_days: 7")),
                ("variable", code("PULSE_BATCH_SIZE_DAYS=7")),
                ("file that `PULSE_CONFIG` names", code("batch_size_days: 7")),
                ("training in the store", "of `status`, `forecast` and `report --rebuild` alone"),
            ],
        ),
        "A training in the store gives the source, what to predict and how to score it, but not "
        "`resume`, `batch_limit`, and where to compute and log. If another source is given, it "
        "gives nothing.",
        "A run in Dagster takes its run config, then the variables of the deployment, then the "
        "file that `PULSE_CONFIG` names. `train` in Python takes its `TrainingConfig` alone.",
        "*Batches* below says whether the numbers in stored batches depend on a setting. If they "
        "do, another value computes all batches anew.",
    ).strip()


def _groups() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the titles of the help, and the settings of each; last those that are no options."""
    titles = groups(TrainingConfig)
    yield from titles.items()
    named = {name for names in titles.values() for name in names}
    rest = tuple(name for name in TrainingConfig.model_fields if name not in named)
    yield "the UI and the schedule", rest


def _group(title: str, names: tuple[str, ...]) -> str:
    shown = (_setting(name) for name in names)
    return joined(heading(2, f"{title[0].upper()}{title[1:]}"), *shown).strip()


def _setting(name: str) -> str:
    field = TrainingConfig.model_fields[name]
    extra = field.json_schema_extra
    details = extra if isinstance(extra, dict) else {}
    schema = _schema()[name]
    bounds = describe_option(schema).removeprefix(field.description or "").strip("; ")
    kind = type_text(field.annotation)
    facts = [
        f"Type: {kind}{f', {bounds}' if bounds else ''}",
        f"Default: {default_text(field)}",
        f"Option: {link(code(flag(name)), f'command_line.md#{flag(name)[2:]}')}"
        if details["group"]
        else "",
        f"Variable: {code(details['environment'])}" if details["environment"] else "",
        f"Part of: {part_of(name)}",
        f"Batches: {_EFFECTS.get(name, _effect(name))}",
    ]
    return joined(
        heading(3, code(name), name), prose(_meaning(name)), bullets(filter(None, facts))
    ).strip()


@cache
def _schema() -> dict[str, dict[str, Any]]:
    return TrainingConfig.model_json_schema()["properties"]


def _meaning(name: str) -> str:
    """Return the description of a setting without its default, which is listed below it."""
    text = TrainingConfig.model_fields[name].description or ""
    text = re.sub(r"[;(]? ?\(?default: .*$", "", text, flags=re.DOTALL)
    return sentence(with_rules(text) if name == "models" else text)


def with_rules(text: str) -> str:
    """Return a text with the names of rules as code.

    Example:
        >>> with_rules("naive, theta or team.rules:naive")
        '`naive`, `theta` or team.rules:naive'
    """
    return _RULE.sub(r"`\1`", text)


def changes_batches(name: str) -> bool:
    """Tell whether another value of a setting makes the stored batches stale."""
    if name in TrainingOptions.model_fields:
        return name not in settings_without_effect(TrainingOptions)
    return name in WINDOW


def _effect(name: str) -> str:
    return "depend on it" if changes_batches(name) else "do not depend on it"


def part_of(name: str) -> str:
    """Say in which model a setting is, and whether a run of Dagster may set it."""
    if name in TrainingOptions.model_fields:
        return "`TrainingOptions`: the resource `training` of a run"
    if name in per_run_settings(Settings):
        return "`Settings`: the deployment, and the resource `data` of a run"
    if name in Settings.model_fields:
        return "`Settings`: the deployment"
    return "`TrainingConfig`: the command line and Python only"


def type_text(annotation: Any) -> str:  # noqa: ANN401 - a type
    """Return a type in words.

    Example:
        >>> type_text(list[int] | None), type_text(Literal["a", "b"]), type_text(dict[str, str])
        ('list of whole numbers', '`a` or `b`', 'names with a text each')
    """
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " or ".join(type_text(part) for part in parts if part is not NoneType)
    if origin is Literal:
        return " or ".join(filter(None, [codes(parts[:-1]), code(parts[-1])]))
    if origin is list:
        return f"list of {type_text(parts[0])}s"
    if origin is dict:
        return f"names with a {type_text(parts[1])} each"
    return _TYPES[annotation]


def default_text(field: Any) -> str:  # noqa: ANN401 - pydantic's description of a field
    """Return the default of a setting; of one that has none what happens without a value."""
    described = (field.description or "").rpartition("default: ")[2].rstrip(")")
    if described.startswith("naive,"):
        described = with_rules(described)
    if field.default is PydanticUndefined or field.default is None or field.default == {}:
        return prose(described) if "default: " in (field.description or "") else "none"
    if isinstance(field.default, bool):
        return code(str(field.default).lower())
    return code(field.default)


def _environment() -> str:
    ours = {
        name: f"{link(code(setting), f'#{setting}')}: {prose(_meaning(setting))}"
        for name, setting in environment_variables(Settings).items()
    }
    others = {name: prose(text) for name, text in VARIABLES.items()}
    rows = ((code(name), text) for name, text in sorted((ours | others).items()))
    return joined(
        heading(2, "Variables of the environment"),
        "An empty variable counts as one that is not set. A variable that begins with `PULSE_` and "
        "looks like one of these, but is not, is an error. Credentials of S3 are found the AWS "
        "way.",
        table(("variable", "meaning"), rows),
        heading(3, "Limits of what a run may name", "limits"),
        "Whoever reaches the UI chooses the configuration of runs. These variables list what it "
        "may name beside the deployment's own settings, with commas between. Without a variable "
        "nothing is limited; an empty one allows nothing more. The command line and Python are not "
        "limited.",
        table(
            ("variable", "limits", "an entry allows"),
            (
                (code(limit.variable), code(setting), prose(limit.meaning))
                for setting, limit in LIMITS.items()
            ),
        ),
    ).strip()


def _file() -> str:
    return joined(
        heading(2, "Files of settings"),
        "`--config FILE` is for one command, `PULSE_CONFIG` for a deployment. Both are YAML with "
        "the names of the settings above. A text that YAML would take for something else stands in "
        "quotes.",
        block("yaml", FILE),
    ).strip()


def _dagster() -> str:
    definitions = build_definitions(Settings())
    return joined(
        heading(2, "Runs in Dagster"),
        "The launchpad shows the resources below with the values of the deployment as defaults.",
        table(
            ("place in the run config", "settings"),
            [
                ("`resources.training.config`", codes(TrainingOptions.model_fields)),
                ("`resources.data.config`", codes(DATA_SETTINGS)),
                ("`execution.config.cluster`", _clusters()),
            ],
        ),
        block("yaml", RUN_CONFIG),
        heading(3, "Jobs, schedules and sensors"),
        table(("name", "kind", "what it does"), automation(definitions)),
    ).strip()


def _clusters() -> str:
    from pulse_assets.dagster.executor import batch_dask_executor

    schema: Any = batch_dask_executor.config_schema.config_type
    kinds = schema.fields["cluster"].config_type.fields
    texts = [f"`local`: {prose(kinds['local'].description)}"]
    texts.append(f"`existing`: {prose(kinds['existing'].description)}")
    others = codes(sorted({*kinds} - {"local", "existing"}))
    return "; ".join([*texts, f"as dagster-dask describes them: {others}"])


def automation(definitions: dg.Definitions) -> Iterator[tuple[str, str, str]]:
    """Yield name, kind and description of jobs, schedules and sensors."""
    kinds: dict[str, Any] = {
        "job": definitions.jobs,
        "schedule": definitions.schedules,
        "sensor": definitions.sensors,
    }
    for kind, each in kinds.items():
        for one in each or ():
            yield code(one.name), kind, prose(one.description or "")


def _component() -> str:
    fields: dict[str, Any] = RetrodictionComponent.model_fields
    own = ("key_prefix", "group", "resource_prefix")
    rows = ((code(name), prose(sentence(component_text(fields[name])))) for name in own)
    return joined(
        heading(2, "The component"),
        "`pulse_assets.RetrodictionComponent` takes in `defs.yaml` each setting of `Settings` and "
        "`TrainingOptions`, and three attributes more:",
        table(("attribute", "meaning"), rows),
        block("yaml", COMPONENT),
    ).strip()


def component_text(field: Any) -> str:  # noqa: ANN401 - pydantic's description of a field
    """Return the description of an attribute of the component."""
    resolvers = [part for part in field.metadata if isinstance(part, dg.Resolver)]
    return next((str(resolver.description) for resolver in resolvers), "")


def models() -> tuple[type[BaseModel], ...]:
    """Return the models whose fields the page describes."""
    return Settings, TrainingOptions, TrainingConfig

"""The JSON schema of the `training_results` object, written from its model in `results.py`."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from pulse_assets.results import ResultsDocument

#: The file that the schema is written to; the wheel contains it.
SCHEMA_FILE: Final = Path(__file__).with_name("training_results.schema.json")


class _PlainSchema(GenerateJsonSchema):
    """A schema without a title per field, which would repeat the name of the field."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401
        return False


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of the `training_results` object."""
    schema = ResultsDocument.model_json_schema(schema_generator=_PlainSchema)
    return {"$schema": GenerateJsonSchema.schema_dialect, **_on_one_line(schema)}


def _on_one_line(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a schema without the line breaks of docstrings."""
    if isinstance(schema, dict):
        return {name: _on_one_line(part) for name, part in schema.items()}
    if isinstance(schema, list):
        return [_on_one_line(part) for part in schema]
    return " ".join(schema.split()) if isinstance(schema, str) else schema


def schema_text() -> str:
    """Return the text of `training_results.schema.json`."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
    sys.stdout.write(f"{SCHEMA_FILE}\n")

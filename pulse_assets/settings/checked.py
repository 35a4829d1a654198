"""A model of settings that explains in one line what is wrong with a value."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from pulse_assets.errors import ConfigurationError
from pulse_assets.storage.s3 import refuse_credentials

#: Characters of a text at most: addresses and paths are far shorter.
_LONGEST_TEXT: Final = 1000
#: Characters of a value that a message repeats.
_LONGEST_SHOWN: Final = 300

#: What is wrong with a value, by pydantic's type of the error.
ADVICE: Final = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_parsing": "must be true or false",
    "date_from_datetime_parsing": "must be a date like 2020-01-31",
    "date_parsing": "must be a date like 2020-01-31",
    "date_type": "must be a date like 2020-01-31",
    "date_from_datetime_inexact": "must be a date like 2020-01-31, without a time of day",
    "int_parsing_size": "must be a smaller number",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be greater than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "list_type": "must be a list",
    "dict_type": "must be names with a value each",
    "string_type": "must be a text",
    "literal_error": "must be {expected}",
    "value_error": "{error}",
}


def _texts_in(value: object) -> Iterator[str]:
    """Yield the texts of a setting: itself, its parts, or the names and values of a mapping."""
    if isinstance(value, str | Path):
        yield str(value)
    elif isinstance(value, list | tuple):
        yield from (part for part in value if isinstance(part, str))
    elif isinstance(value, dict):
        yield from (part for pair in value.items() for part in pair if isinstance(part, str))


def _check_text(text: str) -> None:
    """Raise a `ValueError`, whose message goes on from the value, where a text cannot be meant."""
    if len(text) > _LONGEST_TEXT:
        raise ValueError(f"has {len(text)} characters: at most {_LONGEST_TEXT} are taken")
    odd = [character for character in text if not character.isprintable()]
    if odd:
        raise ValueError(
            f"holds {odd[0]!a}, a character that is not printed: write it without line breaks, "
            "tabs and control characters"
        )
    plain = unicodedata.normalize("NFKC", text)
    if plain != unicodedata.normalize("NFC", text):
        raise ValueError(f"holds characters that look like others: write {plain!r}")


def _quoted(value: object) -> str:
    """Return a value for a message of one line; a long one without its middle."""
    shown = ascii(value)
    return repr(value) if len(shown) <= _LONGEST_SHOWN else f"{shown[:60]}...{shown[-20:]}"


class Checked(BaseModel):
    """A frozen model whose errors are one `ConfigurationError` naming field, value and fix."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:  # noqa: ANN401 - pydantic checks the types
        """Check the values.

        Raises:
            ConfigurationError: some cannot be used; the message says which and why.
        """
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigurationError(self._explain(error)) from None

    @classmethod
    def _explain(cls, error: ValidationError) -> str:
        return "; ".join(cls._explain_one(dict(item)) for item in error.errors())

    @model_validator(mode="before")
    @classmethod
    def _no_credentials(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Refuse secrets in addresses, which are stored and logged, without repeating them."""
        for name, value in values.items():
            if isinstance(value, str):
                refuse_credentials(name, value)
        return values

    @field_validator("*", mode="before")
    @classmethod
    def _plain_texts(cls, value: object) -> object:
        """Refuse texts that would break a line, a path or a log, or that look like another."""
        for text in _texts_in(value):
            _check_text(text)
        return value

    @classmethod
    def _explain_one(cls, item: dict[str, Any]) -> str:
        if not item["loc"]:
            return str(item["ctx"]["error"])
        name = str(item["loc"][0])
        if item["type"] == "extra_forbidden":
            return f"unknown setting {name!r}: the settings are {', '.join(cls.model_fields)}"
        advice = str(ADVICE.get(item["type"], item["msg"])).format(**item.get("ctx", {}))
        start = f"{name} = {_quoted(item['input'])} {advice}"
        if item["type"] == "value_error":  # a validator's own words
            return start
        return f"{start} ({cls.model_fields[name].description})"

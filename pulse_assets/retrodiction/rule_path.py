"""The variable by which a command tells the processes of rules where a user's modules are."""

from typing import Final

#: A JSON list of directories; the processes of rules search them after all that is installed. It is
#: of the environment, because workers inherit that.
RULES_PATH: Final = "_PULSE_RULES_PATH"

"""The code location of a team."""

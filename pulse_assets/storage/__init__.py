"""Where objects lie and how tables become bytes: store, tables, layout and Dagster's view."""

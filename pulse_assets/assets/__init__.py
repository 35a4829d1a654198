"""The asset graph: thin modules that load, call one pure function and store."""

"""The stages of a batch as pure functions from tables to tables; no Dagster, no Dask."""

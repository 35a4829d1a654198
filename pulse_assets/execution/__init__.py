"""Where batches compute: the Dagster executor, the Dask cluster and the fan-out over it."""

"""The Dagster side: definitions, partitions, resources, checks, sensors, executor, instance."""

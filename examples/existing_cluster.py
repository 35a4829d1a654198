"""Batches on a Dask cluster that is there already.

    dask scheduler & dask worker tcp://127.0.0.1:8786 &
    python examples/existing_cluster.py tcp://127.0.0.1:8786

Its workers need this package and the store, not the Dagster instance. For one that talks TLS, see
`run_config_existing_cluster_tls.yaml`. It prints the number of batches and the scheduler that
computed them:

    4 tcp://127.0.0.1:8786
"""

import sys

from pulse_assets import TrainingConfig, train


def main(scheduler: str) -> None:
    """Train four batches there and print which cluster computed them."""
    results = train(
        TrainingConfig(
            variables=["unemployment_rate"],
            models=["naive", "drift"],
            start_date="2022-01-01",
            batch_limit=4,
            horizons=[1],
            use_dask=True,
            dask_scheduler_address=scheduler,
        )
    )
    print(results.data["batches"]["total"], results.data["dask_cluster"]["scheduler"])


if __name__ == "__main__":
    main(sys.argv[1])

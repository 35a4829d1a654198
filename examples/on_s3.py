"""Source and results in buckets; credentials are found the AWS way.

    AWS_REGION=eu-central-1 python examples/on_s3.py s3://my-data/history s3://my-results/pulse

For another server than AWS, set AWS_ENDPOINT_URL_S3 to its address. It prints the trust of the
ensemble by variable, and the address of the results:

    {'gdp_growth': 0...}
    s3://my-results/pulse/training_results/training_results.json
"""

import sys

from pulse_assets import TrainingConfig, train
from pulse_assets.settings import Settings


def main(source: str, store: str) -> None:
    """Train on every series in `source`, a batch a year, and print where the results are."""
    deployment = Settings.from_environment().model_dump(exclude={"batch_cadence"})
    given = {"source": source, "store": store, "start_date": "2019-01-01"}
    config = TrainingConfig(
        **deployment | given, batch_cadence="yearly", horizons=[1], max_workers=1
    )
    results = train(config)
    print(results.trust_scores)
    print(results.results_path)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Buckets for tests."""

import uuid

from pulse_assets.storage.s3 import S3Settings, connect


def new_bucket(s3: S3Settings) -> str:
    """Make an empty bucket and return its name."""
    name = f"pulse-{uuid.uuid4().hex}"
    connect(s3).client.create_bucket(Bucket=name)
    return name

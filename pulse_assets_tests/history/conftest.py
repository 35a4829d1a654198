from pulse_assets_tests.storage.conftest import bucket, credentials, s3, s3_server  # noqa: F401

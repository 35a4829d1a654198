from pulse_assets_tests.storage.conftest import bucket, s3, s3_server  # noqa: F401

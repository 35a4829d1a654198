import subprocess
import sys


def test_workers_need_neither_dagster_nor_boto3_to_read_and_write_tables():
    modules = "pulse_assets.storage.layout, pulse_assets.history.source"
    heavy = "{'dagster', 'boto3', 'pandas', 'dask'}"
    code = f"import sys, {modules}; print(sorted({heavy} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout.strip() == "[]"

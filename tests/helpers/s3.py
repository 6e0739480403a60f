"""An object store on this machine, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest

_numbers = count()


@contextmanager
def server() -> Iterator[str]:
    """moto's S3 on a free port; pyarrow and boto3 find it, and its keys, in the environment."""
    moto_server = pytest.importorskip("moto.server")
    running = moto_server.ThreadedMotoServer(port=0)
    running.start()
    host, port = running.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ):
            patch.setenv(name, value)
        yield f"http://{host}:{port}"
    running.stop()


def new_bucket(address: str) -> str:
    """URI of an empty bucket."""
    import boto3

    name = f"bucket-{next(_numbers)}"
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket=name)
    return f"s3://{name}"

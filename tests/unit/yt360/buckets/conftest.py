"""Buckets of moto's S3 on loopback, and in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.memory_buckets import Memory, memory_bucket
from helpers.s3_server import Server, running

from yt360.buckets.bucket import Bucket


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as started:
        yield started


@pytest.fixture(params=["s3", "memory"])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    """An empty prefix, in S3 and in memory."""
    if request.param == "memory":
        return memory_bucket("memory://bucket/data", Memory())
    started: Server = request.getfixturevalue("server")
    return started.objects(f"s3://{started.new_bucket()}/data")

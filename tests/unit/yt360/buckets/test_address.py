"""Addresses and local paths are told apart."""

from pathlib import Path

import pytest
from helpers.errors import user_error

from yt360.buckets.address import as_bucket_url, as_url


def test_urls_and_folders_are_distinguished():
    assert as_url("https://host/a/") == "https://host/a"
    assert as_url(Path("https://host/a")) == "https://host/a"
    assert as_url("s3://bucket/a") == "s3://bucket/a"
    assert as_url("data/set") is None and as_url("/data/set") is None and as_url("a:b") is None


def test_a_folder_in_a_bucket_can_be_written_and_a_local_one_is_none():
    assert as_bucket_url("S3://bucket/a/b/") == "s3://bucket/a/b"
    assert as_bucket_url("data/set") is None


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://host/data", "unsupported"),
        ("file:///data", "unsupported"),
        ("simplecache::s3://bucket/data", None),
        ("s3://bucket/a::file:///b", "unsupported"),
        ("s3://bucket", "invalid"),
        ("s3://bucket//a", "invalid"),
    ],
)
def test_addresses_that_cannot_be_written_are_refused(url, code):
    if code is None:
        assert as_bucket_url(url) is None  # not an address at all
        return
    with user_error(code):
        as_bucket_url(url)

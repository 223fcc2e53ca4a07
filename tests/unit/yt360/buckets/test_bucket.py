"""Objects are replaced on condition, uploaded whole, and read back after faults."""

import hashlib
import pickle

import pytest
from helpers.errors import user_error
from helpers.s3_server import (
    DENIED,
    NO_CONDITIONS,
    SLOW_DOWN,
    lost_answer,
    lost_request,
    slow,
    truncated_answer,
    truncated_upload,
)

from yt360.buckets.bucket import Bucket
from yt360.buckets.failures import Changed, changed, explained
from yt360.files import sha256_of


def test_an_object_is_replaced_only_in_the_version_that_was_read(bucket):
    assert bucket.read("list") is None
    first = bucket.put("list", b"one")
    second = bucket.put("list", b"two", first)
    for stale in (None, first):
        with pytest.raises(Changed):
            bucket.put("list", b"three", stale)
    stored = bucket.read("list")
    assert (stored.content, stored.version) == (b"two", second)
    bucket.delete("list")
    bucket.delete("list")
    with pytest.raises(Changed):
        bucket.put("list", b"three", second)
    assert bucket.sizes() == {}


def test_a_file_is_uploaded_whole_and_read_again(bucket, tmp_path):
    (tmp_path / "file").write_bytes(bytes(range(256)) * 40)
    digest = sha256_of(tmp_path / "file")
    for _ in range(2):
        bucket.upload("a/file", tmp_path / "file", digest)
    assert bucket.sizes() == {"a/file": 10240}
    assert bucket.read_parts("a/file", [(1, 3), (255, 2)]) == [b"\1\2\3", b"\xff\0"]
    with (tmp_path / "copy").open("wb") as file:
        file.write(bytes(20_000))
        bucket.download("a/file", file, 10240, digest)
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "file").read_bytes()


def test_other_content_is_replaced_unless_another_writer_has_taken_over(bucket, tmp_path):
    def taken_over():
        raise changed("list")

    (tmp_path / "file").write_bytes(b"new")
    digest = sha256_of(tmp_path / "file")
    bucket.put("file", b"old")
    with pytest.raises(Changed):
        bucket.upload("file", tmp_path / "file", digest, taken_over)
    assert bucket.read("file").content == b"old"
    bucket.upload("file", tmp_path / "file", digest)
    assert bucket.read("file").content == b"new"


def test_a_copy_with_another_checksum_is_refused(bucket, tmp_path):
    bucket.put("file", b"other")
    with (tmp_path / "copy").open("wb") as file, user_error("network"):
        bucket.download("file", file, 5, hashlib.sha256(b"right").hexdigest())


def test_an_object_above_the_limit_is_refused(bucket):
    bucket.put("list", b"12345")
    with user_error("invalid"):
        bucket.read("list", max_bytes=4)


@pytest.mark.parametrize(
    "fault", [lost_answer, lost_request, SLOW_DOWN, slow, truncated_upload, NO_CONDITIONS]
)
def test_a_write_survives_a_fault(server, tmp_path, fault):
    bucket = server.objects(f"s3://{server.new_bucket()}/data")
    version = bucket.put("list", b"one")
    (tmp_path / "file").write_bytes(b"content")
    server.fail(fault, "PUT", "/data/list")
    server.fail(fault, "PUT", "/data/file")
    bucket.put("list", b"longer than one", version)
    bucket.upload("file", tmp_path / "file", sha256_of(tmp_path / "file"))
    assert not server.faults
    assert bucket.read("list").content == b"longer than one"
    assert bucket.read("file").content == b"content"


def test_a_truncated_answer_is_noticed(server):
    bucket = server.objects(f"s3://{server.new_bucket()}/data")
    bucket.put("list", b"content")
    server.fail(truncated_answer, "GET", "/data/list", times=2)
    assert bucket.read_parts("list", [(0, 7)]) == [b"content"]
    assert bucket.read("list").content == b"content"
    assert not server.faults


def test_missing_rights_and_buckets_are_named(server):
    url = f"s3://{server.new_bucket()}/data"
    server.fail(DENIED, "PUT", "/data/list")
    with user_error("system", f"{url}/list"):
        server.objects(url).put("list", b"")
    with user_error("missing", "s3://no-such-bucket/data/list"):
        server.objects("s3://no-such-bucket/data").put("list", b"")


def test_unknown_schemes_and_missing_packages_are_named():
    with user_error("invalid", "odd://bucket/data"):
        Bucket("odd://bucket/data")
    error = explained("s3://bucket/data", ImportError("Install s3fs to access S3"))
    assert (error.code, "pip install s3fs" in str(error)) == ("dependency", True)


def test_errors_can_cross_processes():
    error = pickle.loads(pickle.dumps(changed("s3://bucket/list")))
    assert (type(error), error.code, error.key) == (Changed, "in-use", "s3://bucket/list")

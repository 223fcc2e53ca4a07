"""A file in a bucket appears when it is complete, and is kept if it cannot be uploaded."""

from pathlib import Path

import pytest
from helpers.errors import user_error
from helpers.memory_buckets import Dying, Memory, contents, memory_bucket

from yt360.buckets.output_file import written_file
from yt360.errors import UserError

URL = "memory://bucket/features.parquet"


def test_a_local_file_is_written_in_place(tmp_path):
    with written_file(str(tmp_path / "f")) as path:
        assert path == tmp_path / "f"


def test_a_file_in_a_bucket_appears_when_it_is_complete():
    store = Memory()
    for content in (b"one", b"two"):
        before = contents(store, "memory://bucket")
        with written_file(URL, lambda url: memory_bucket(url, store)) as path:
            path.write_bytes(content)
            assert contents(store, "memory://bucket") == before
        assert contents(store, "memory://bucket") == {"features.parquet": content}
        assert not path.exists()


def test_after_an_error_nothing_is_uploaded():
    store = Memory()
    with (
        pytest.raises(ZeroDivisionError),
        written_file(URL, lambda url: memory_bucket(url, store)) as path,
    ):
        path.write_bytes(b"half")
        raise ZeroDivisionError
    assert contents(store, "memory://bucket") == {} and not path.exists()


class Refusing(Dying):
    """A file system that refuses all writes after the first ones."""

    def _write(self, operation):
        self.writes -= 1
        if self.writes < 0:
            self.writes = 0
            raise PermissionError("refused")
        operation()


def test_missing_rights_are_found_before_the_work():
    store = Refusing(Memory(), 0, after=False)
    with (
        user_error("system"),
        written_file(URL, lambda url: memory_bucket(url, store)),
    ):
        raise AssertionError("the work began")


def test_a_file_that_cannot_be_uploaded_is_kept():
    store = Refusing(Memory(), 2, after=False)
    with (
        pytest.raises(UserError) as raised,
        written_file(URL, lambda url: memory_bucket(url, store)) as path,
    ):
        path.write_bytes(b"hours of work")
    assert raised.value.code == "system" and str(path) in str(raised.value)
    assert Path(path).read_bytes() == b"hours of work"
    path.unlink()
    path.parent.rmdir()

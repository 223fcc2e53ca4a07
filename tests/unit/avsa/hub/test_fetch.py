"""Models in buckets are loaded from a copy that is removed again."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.errors import user_error
from helpers.memory_buckets import Memory, memory_bucket

from avsa.hub.fetch import local_model
from yt360.errors import UserError

URL = "memory://bucket/run"


@pytest.fixture
def bucket():
    return memory_bucket(URL, Memory())


@pytest.mark.parametrize("url", [URL, "memory:/bucket/run", Path(URL)])
def test_the_newest_checkpoint_of_a_run_is_copied_for_the_block(bucket, url):
    for step in (99_999_999, 100_000_000):
        bucket.put(f"checkpoints/step-{step}.pt", str(step).encode())
    bucket.put("checkpoints/notes.txt", b"")
    with local_model(url, bucket) as path:
        assert path.read_bytes() == b"100000000"
    assert not path.exists()


@pytest.mark.parametrize(
    ("stored", "given"),
    [
        ("model.safetensors", URL),
        ("model.safetensors", f"{URL}/model.safetensors"),
        ("checkpoints/step-00000001.pt", URL),
    ],
)
def test_exports_and_single_files_are_copied(bucket, stored, given):
    bucket.put(stored, b"weights")
    with local_model(given, bucket) as path:
        assert path.read_bytes() == b"weights" and path.name == Path(stored).name


def test_a_checkpoint_that_a_running_training_replaces_is_looked_for_again(bucket):
    class Replaced:
        def sizes(self):
            return bucket.sizes()

        def read(self, name, max_bytes):
            if name.endswith("1.pt"):  # it was deleted after it was listed
                bucket.delete(name)
                bucket.put("checkpoints/step-00000002.pt", b"2")
            return bucket.read(name, max_bytes)

    bucket.put("checkpoints/step-00000001.pt", b"1")
    with local_model(URL, Replaced()) as path:
        assert path.read_bytes() == b"2"


@pytest.mark.parametrize("url", [URL, f"{URL}/c.pt"])
def test_a_bucket_without_a_model_is_named(bucket, url):
    bucket.put("dataset.json", b"{}")
    with user_error("missing", url), local_model(url, bucket):
        pytest.fail("the block must not begin")


def test_an_error_about_the_copy_names_the_url(bucket):
    bucket.put("model.safetensors", b"damaged")
    with user_error("invalid", URL) as raised, local_model(URL, bucket) as path:
        raise UserError(f"{path} is damaged", key=path)
    assert str(raised.value) == f"{URL} is damaged"


def test_other_paths_are_used_as_they_are(tmp_path):
    for path in (tmp_path, tmp_path / "c.pt", Path("https://example.org/run")):
        with local_model(path) as found:
            assert found == path

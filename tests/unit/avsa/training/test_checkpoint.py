import errno
from pathlib import Path

import pytest
import torch
from helpers.errors import user_error

from avsa.training import checkpoint as checkpoint_module
from avsa.training.checkpoint import (
    checkpoint_path,
    checkpoints_of,
    drop_old_checkpoints,
    load_checkpoint,
    save_checkpoint,
)
from yt360.errors import UserError

CONTENT = {
    "step": 3,
    "weights": {"a": torch.tensor([1.0, float("nan")]), "b": torch.arange(3).bfloat16()},
    "list": [1, "two", None],
}


def save(run, step):
    save_checkpoint(checkpoint_path(run, step), {"step": step})


def test_what_is_saved_is_what_is_loaded(tmp_path):
    save_checkpoint(tmp_path / "c.pt", CONTENT)
    loaded = load_checkpoint(tmp_path / "c.pt")
    assert loaded["step"] == 3
    assert loaded["list"] == [1, "two", None]
    torch.testing.assert_close(loaded["weights"], CONTENT["weights"], equal_nan=True)


def test_a_run_in_a_bucket_is_not_taken_for_a_path():
    with user_error("unsupported", "s3://bucket/run"):
        load_checkpoint(Path("s3://bucket/run"))


def test_a_run_folder_means_its_newest_checkpoint(tmp_path):
    for step in (5, 100, 20):
        save(tmp_path, step)
    assert load_checkpoint(tmp_path)["step"] == 100


def test_only_the_newest_are_kept(tmp_path):
    for step in (1, 2, 3, 4):
        save(tmp_path, step)
    drop_old_checkpoints(tmp_path, keep=2)
    assert [path.name for path in checkpoints_of(tmp_path)] == [
        "step-00000003.pt",
        "step-00000004.pt",
    ]


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    save(tmp_path, 1)
    other = tmp_path / "checkpoints" / "mine.pt"
    other.touch()
    drop_old_checkpoints(tmp_path, keep=1)
    assert other.exists()


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    save(tmp_path, 1)
    monkeypatch.setattr(checkpoint_module, "read_torch", lambda _: {"something": "else"})
    with pytest.raises(OSError, match="has different content when it is read back"):
        save(tmp_path, 2)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000001.pt"]


def test_a_full_disk_is_an_error_with_the_path_and_keeps_older_checkpoints(
    tmp_path, file_size_limit
):
    save(tmp_path, 1)
    path = checkpoint_path(tmp_path, 2)
    with file_size_limit(30_000), pytest.raises(OSError) as full:
        save_checkpoint(path, {"step": 2, "weights": torch.zeros(100_000)})
    assert (full.value.errno, full.value.filename) == (errno.EFBIG, str(path))
    assert [each.name for each in path.parent.iterdir()] == ["step-00000001.pt"]
    assert load_checkpoint(tmp_path)["step"] == 1


@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04 half an archive"])
def test_a_file_that_is_not_a_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with user_error("invalid", path):
        load_checkpoint(path)


def test_a_truncated_checkpoint_is_refused(tmp_path):
    path = tmp_path / "c.pt"
    save_checkpoint(path, CONTENT)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with user_error("invalid", path):
        load_checkpoint(path)


def test_code_in_a_checkpoint_is_never_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    torch.save({"format": "avsa-checkpoint", "bomb": Bomb()}, tmp_path / "c.pt")
    with user_error("invalid", tmp_path / "c.pt"):
        load_checkpoint(tmp_path / "c.pt")
    assert not (tmp_path / "exploded").exists()


def test_published_weights_name_the_command_that_imports_them(tmp_path):
    torch.save({"model": {}, "train_criterion": {}}, tmp_path / "p.pth.tar")
    with pytest.raises(UserError, match="avsa import-checkpoint"):
        load_checkpoint(tmp_path / "p.pth.tar")


def test_a_newer_version_is_refused_by_name(tmp_path):
    torch.save({"format": "avsa-checkpoint", "version": 99}, tmp_path / "c.pt")
    with user_error("unsupported", tmp_path / "c.pt"):
        load_checkpoint(tmp_path / "c.pt")


def test_missing_files_and_empty_runs_are_errors(tmp_path):
    with user_error("missing", tmp_path / "nothing"):
        load_checkpoint(tmp_path / "nothing")
    with user_error("missing", tmp_path):
        load_checkpoint(tmp_path)

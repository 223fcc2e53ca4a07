"""Logs and folders of runs that others made."""

from __future__ import annotations

import os

import pytest
from helpers.errors import user_error

from avsa.training.metrics_log import FILE_NAME, RunLog, read_log
from avsa.training.run_folder import CONFIG_FILE, DATASET_FILE, read_config, read_datasets

ODD_LINES = [
    b"[1]", b"3", b"null", b"{", b"\xff\xfe", b'{"step": "1"}', b'{"step": null}', b"[" * 100_000,
    b'{"step": 1.5}', b'{"step": true}',
]  # fmt: skip


def test_lines_that_are_no_records_are_left_out(tmp_path):
    good = [b'{"step": 1, "loss": 0.1}', b'{"warning": "w"}', b'{"step": 2, "loss": NaN}']
    (tmp_path / FILE_NAME).write_bytes(b"\n".join([*ODD_LINES, *good, b'{"step": 3, "lo']))
    assert [record["step"] for record in read_log(tmp_path)] == [1, 2]
    with RunLog(tmp_path, 1, 5):
        pass
    assert (tmp_path / FILE_NAME).read_bytes() == b"\n".join(good[:2]) + b"\n"


@pytest.mark.parametrize("content", [b"\xff", b"x" * 100_000])
def test_a_run_whose_files_are_odd_is_refused_in_one_line(tmp_path, content):
    (tmp_path / CONFIG_FILE).write_bytes(content)
    (tmp_path / DATASET_FILE).write_bytes(content)
    for read in (read_config, read_datasets):
        with user_error("invalid"):
            read(tmp_path)


def test_a_run_whose_files_are_fifos_is_refused(tmp_path):
    (tmp_path / CONFIG_FILE).touch()
    os.mkfifo(tmp_path / DATASET_FILE)
    with user_error("invalid", tmp_path / DATASET_FILE):
        read_datasets(tmp_path)
    os.mkfifo(tmp_path / FILE_NAME)
    with user_error("invalid", tmp_path / FILE_NAME):
        read_log(tmp_path)

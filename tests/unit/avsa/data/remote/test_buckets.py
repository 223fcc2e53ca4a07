"""Datasets in buckets, with faults of their stores."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner
from helpers.errors import bad_item, user_error
from helpers.s3_server import (
    DENIED,
    SLOW_DOWN,
    lost_answer,
    lost_request,
    refused,
    running,
    slow,
    truncated_answer,
)

from avsa.commands.stats import command as stats_command
from avsa.data.clips import open_clips
from avsa.data.remote import fetching
from avsa.data.remote.mirror import dataset_folder
from avsa.views.audio_statistics import load_statistics, measure_statistics
from avsa.views.spectrogram import AudioConfig
from yt360.shards.format.reader import ShardReader
from yt360.shards.format.schema import AUDIO_STATS_FILE, shard_name

UNKNOWN = refused("500 Internal Server Error", "Strange")


@pytest.fixture(scope="module")
def s3():
    with running() as started:
        yield started


@pytest.fixture
def url(s3, origin, tmp_path, monkeypatch):
    """A dataset in a bucket."""
    monkeypatch.setattr(fetching, "RETRIES", replace(fetching.RETRIES, first_delay_s=0.001))
    monkeypatch.setenv("AVSA_CACHE", str(tmp_path / "cache"))
    s3.set_environment(monkeypatch.setenv)
    s3.faults.clear()
    bucket = s3.new_bucket()
    s3.filesystem.put(str(origin), f"{bucket}/set", recursive=True)
    return f"s3://{bucket}/set"


def read_all(folder):
    with closing(open_clips(folder, "train")) as clips:
        return [bytes(each) for block in clips.blocks("flac") for each in block]


@pytest.mark.parametrize("fault", [None, SLOW_DOWN, UNKNOWN, lost_request, slow, truncated_answer])
def test_clips_in_a_bucket_are_those_of_a_folder(s3, url, origin, fault):
    folder = dataset_folder(url)
    if fault is not None:
        s3.fail(fault, "GET", shard_name(1))
    local = [each for block in ShardReader(origin, "train").blocks("flac") for each in block]
    assert read_all(folder) == local
    assert not s3.faults


def test_a_shard_that_is_gone_is_a_bad_item(s3, url):
    s3.filesystem.rm(f"{url}/train/{shard_name(1)}")
    with closing(open_clips(dataset_folder(url), "train")) as clips:
        with bad_item("shard-unreadable"):
            clips.read(4, "json")
        assert clips.read(0, "json") and clips.read(8, "json")


def test_an_address_without_a_dataset_is_refused(url):
    with user_error("missing", f"{url}/nothing"):
        dataset_folder(f"{url}/nothing")


def test_a_bucket_without_rights_is_refused_but_its_mirror_serves(s3, url):
    s3.fail(DENIED, "GET", "dataset.json")
    with user_error("system", url):
        dataset_folder(url)
    s3.faults.clear()
    known = read_all(dataset_folder(url))
    s3.fail(DENIED, "GET", "dataset.json")
    assert read_all(dataset_folder(url)) == known
    assert not s3.faults


@pytest.mark.parametrize("fault", [None, SLOW_DOWN, lost_request, lost_answer])
def test_statistics_are_measured_into_the_bucket_beside_those_of_other_spectrograms(
    s3, url, origin, fault, tmp_path, monkeypatch
):
    audio = AudioConfig(n_mels=17)
    if fault is not None:
        s3.fail(fault, "PUT", AUDIO_STATS_FILE)
    result = CliRunner().invoke(
        stats_command, [url, "--samples", "8", "--set", f"audio.n_mels={audio.n_mels}"]
    )
    assert result.exit_code == 0, result.output
    assert f"{url}/{AUDIO_STATS_FILE}" in result.output
    there = measure_statistics(origin, audio, samples=8)
    monkeypatch.setenv("AVSA_CACHE", str(tmp_path / "another"))
    folder = dataset_folder(url)
    torch.testing.assert_close(
        load_statistics(folder, audio).mean_db, there.mean_db, rtol=0, atol=6e-5
    )
    assert load_statistics(folder, AudioConfig(n_mels=16)) is not None

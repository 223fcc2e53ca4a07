from __future__ import annotations

import io
import json
import logging
import shutil
from dataclasses import replace
from unittest.mock import Mock

import pytest
import soundfile
import torch
from click.testing import CliRunner
from helpers.errors import user_error

from avsa.commands.stats import command
from avsa.views import audio_statistics as stats_module
from avsa.views.audio_statistics import (
    AudioStatistics,
    combined_statistics,
    ensure_statistics,
    load_statistics,
    measure_statistics,
    save_statistics,
)
from avsa.views.spectrogram import AudioConfig, log_mels
from yt360.shards.format.reader import ShardReader

CONFIG = AudioConfig(n_mels=32)


@pytest.fixture
def dataset(tiny_dataset, tmp_path):
    return shutil.copytree(tiny_dataset, tmp_path / "dataset")


def test_statistics_are_those_of_the_log_mels_of_all_channels(dataset):
    stats = measure_statistics(dataset, CONFIG, samples=30)
    clips = ShardReader(dataset, "train")
    # The fixture's noise has one level; W is a sawtooth. Both weigh alike in the pooled numbers.
    audios = [
        torch.from_numpy(
            soundfile.read(io.BytesIO(clips.read(i, "flac")), dtype="int16")[0].T.copy()
        )
        for i in range(len(clips))
    ]
    levels = log_mels(torch.stack([audio[:, 24000:48000] for audio in audios]), CONFIG)
    pooled = levels.flatten(0, 2)
    assert torch.allclose(stats.mean_db, pooled.mean(0), atol=1.0)
    assert torch.allclose(stats.std_db, pooled.std(0), atol=1.5)


def test_combined_statistics_are_those_of_all_samples_together():
    levels = [torch.randn(300, 8) * 9 - 20, torch.randn(100, 8) * 4 + 5]
    parts = [AudioStatistics(each.mean(0), each.std(0, correction=0)) for each in levels]
    combined = combined_statistics(parts, [0.75, 0.25])
    pooled = torch.cat(levels)
    torch.testing.assert_close(combined.mean_db, pooled.mean(0))
    torch.testing.assert_close(combined.std_db, pooled.std(0, correction=0))


def test_combining_equal_statistics_changes_nothing():
    part = AudioStatistics(torch.tensor([-30.5, 2.25]), torch.tensor([8.0, 1.0]))
    combined = combined_statistics([part, part], [0.5, 0.5])
    assert torch.equal(combined.mean_db, part.mean_db)
    assert torch.equal(combined.std_db, part.std_db)


def test_measuring_is_repeatable_and_seeded(dataset):
    first, again = measure_statistics(dataset, CONFIG, 10), measure_statistics(dataset, CONFIG, 10)
    other = measure_statistics(dataset, CONFIG, 10, seed=1)
    assert torch.equal(first.mean_db, again.mean_db) and torch.equal(first.std_db, again.std_db)
    assert not torch.equal(first.mean_db, other.mean_db)


def test_stored_statistics_come_back(dataset):
    stats = measure_statistics(dataset, CONFIG, 5)
    save_statistics(stats, dataset, CONFIG, 5, 0)
    loaded = load_statistics(dataset, CONFIG)
    assert torch.allclose(loaded.mean_db, stats.mean_db, atol=1e-4)
    assert torch.allclose(loaded.std_db, stats.std_db, atol=1e-4)


def test_statistics_of_several_spectrograms_live_side_by_side(dataset):
    other = replace(CONFIG, hop_length=120)
    for config in (CONFIG, other, CONFIG):
        save_statistics(measure_statistics(dataset, config, 3), dataset, config, 3, 0)
    content = json.loads((dataset / "audio_stats.json").read_text())
    assert [entry["spectrogram"]["hop_length"] for entry in content["stats"]] == [120, 240]
    assert load_statistics(dataset, other) is not None
    assert load_statistics(dataset, replace(CONFIG, top_db=80.0)) is None


def test_a_file_from_before_a_key_existed_was_measured_with_its_default(dataset):
    path = save_statistics(measure_statistics(dataset, CONFIG, 3), dataset, CONFIG, 3, 0)
    content = json.loads(path.read_text())
    del content["stats"][0]["spectrogram"]["drop_last_frame"]
    path.write_text(json.dumps(content))
    assert load_statistics(dataset, CONFIG) is not None
    assert load_statistics(dataset, replace(CONFIG, drop_last_frame=True)) is None


def test_the_choice_of_channels_does_not_matter(dataset):
    save_statistics(measure_statistics(dataset, CONFIG, 3), dataset, CONFIG, 3, 0)
    assert load_statistics(dataset, replace(CONFIG, channels="ambix+intensity")) is not None


def test_missing_statistics_are_measured_once_with_a_line(dataset, caplog):
    with caplog.at_level(logging.WARNING):
        first = ensure_statistics(dataset, CONFIG, 8)
        second = ensure_statistics(dataset, CONFIG, 8)
    assert caplog.text.count("measuring") == 1
    assert torch.equal(first.mean_db, second.mean_db)
    assert torch.equal(first.std_db, second.std_db)


def test_a_dataset_that_cannot_be_written_has_the_statistics_that_it_would_keep(
    dataset, caplog, monkeypatch
):
    with monkeypatch.context() as read_only:
        read_only.setattr(stats_module, "write_json", Mock(side_effect=OSError(30, "Read-only")))
        measured = ensure_statistics(dataset, CONFIG, 8)
    assert "(Read-only)" in caplog.text
    assert load_statistics(dataset, CONFIG) is None
    stored = ensure_statistics(dataset, CONFIG, 8)
    assert torch.equal(measured.mean_db, stored.mean_db)
    assert torch.equal(measured.std_db, stored.std_db)


def test_another_sample_rate_is_refused(dataset):
    with user_error("conflict", "audio.sample_rate_hz"):
        ensure_statistics(dataset, replace(CONFIG, sample_rate_hz=16000))


def one_entry(bands, mean_db, std_db):
    entry = {"spectrogram": {"n_mels": bands}, "mean_db": mean_db, "std_db": std_db}
    return json.dumps({"format_version": 1, "stats": [entry]})


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        "[]",
        '{"format_version": 1, "stats": [{}]}',
        one_entry(2, [1], [1]),
        one_entry(1, [float("nan")], [1]),
        one_entry(1, [0], [0]),
    ],
)
def test_damaged_statistics_are_refused_with_the_way_out(dataset, content):
    (dataset / "audio_stats.json").write_text(content)
    with user_error("invalid", dataset / "audio_stats.json"):
        ensure_statistics(dataset, CONFIG)


def test_statistics_of_another_version_are_refused(dataset):
    (dataset / "audio_stats.json").write_text('{"format_version": 7}')
    with user_error("unsupported", dataset / "audio_stats.json"):
        ensure_statistics(dataset, CONFIG)


def test_a_split_without_clips_is_refused(make_dataset):
    with user_error("empty"):
        measure_statistics(make_dataset(), CONFIG)


def test_the_command_writes_the_file(dataset):
    result = CliRunner().invoke(command, [str(dataset), "--recipe", "small", "--samples", "4"])
    assert result.exit_code == 0, result.output
    assert "64 mel bands" in result.output and "4 samples" in result.output
    assert (dataset / "audio_stats.json").is_file()

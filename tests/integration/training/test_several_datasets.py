"""Training on several datasets at once."""

import json
import shutil

import pytest
import torch
from helpers.errors import user_error
from helpers.small_datasets import samples_of, write_dataset

from avsa.training.checkpoint import load_checkpoint
from avsa.training.loop import train
from avsa.training.metrics_log import read_log
from avsa.training.request import resolve_request
from avsa.training.run_folder import DATASET_FILE, SUMS_FILE
from avsa.views.audio_statistics import combined_statistics, load_statistics
from yt360.shards.format.schema import AUDIO_STATS_FILE


@pytest.fixture(scope="module")
def both(data, tmp_path_factory):
    """The dataset of the other tests, and one of four other videos with louder audio."""
    splits = {"train": [samples_of(range(20, 24), 1)], "test": [samples_of(range(24, 26), 1)]}
    other = write_dataset(tmp_path_factory.mktemp("other") / "dataset", splits)
    content = json.loads((data / AUDIO_STATS_FILE).read_text())
    for entry in content["stats"]:
        entry["mean_db"] = [value + 6 for value in entry["mean_db"]]
    (other / AUDIO_STATS_FILE).write_text(json.dumps(content))
    return [data, other]


@pytest.fixture(scope="module")
def config(tiny_config):
    return tiny_config(
        "avsa-no-curriculum",
        "sampling.weights=[1, 1]",
        "validation.every_steps=4",
        "compute.bfloat16=off",
        steps=4,
    )


@pytest.fixture(scope="module")
def whole(config, both, alone, tmp_path_factory):
    """A run on both that nothing disturbed."""
    run = tmp_path_factory.mktemp("whole") / "run"
    train(config, both, run, alone, log_keys=True)
    return run


def test_a_stopped_run_on_two_datasets_resumes_to_the_bit(
    config, both, alone, whole, comparable, tmp_path
):
    run = tmp_path / "run"
    train(config, both, run, alone, steps=3, log_keys=True)
    again = resolve_request(None, None, [], run, resume=True)
    assert list(again.datasets) == both
    train(again.config, again.datasets, run, alone, resume=True, log_keys=True)
    # Stopping at step 3 validates there too; this changes nothing that follows.
    ours = [
        {key: value for key, value in record.items() if key[:4] != "val/" or record["step"] == 4}
        for record in comparable(run)
    ]
    assert ours == comparable(whole)


def test_batches_have_clips_of_both_datasets_by_weight_and_validation_is_on_both(whole):
    records = read_log(whole)
    videos = [key.split("-")[0] for record in records for key in record["keys"]]
    of_second = sum(video >= "video20" for video in videos)
    assert len(videos) == 16 and 0 < of_second < 16
    assert "val/view_accuracy" in records[-1]


def test_spectrograms_are_standardized_by_the_statistics_of_both(config, both, whole):
    parts = [load_statistics(dataset, config.audio) for dataset in both]
    expected = combined_statistics(parts, [0.5, 0.5])
    stored = load_checkpoint(whole)["stats"]
    torch.testing.assert_close(stored["mean_db"], expected.mean_db, rtol=0, atol=0)
    torch.testing.assert_close(stored["std_db"], expected.std_db, rtol=0, atol=0)
    assert torch.allclose(expected.mean_db, parts[0].mean_db + 3)


def test_the_folder_of_a_run_names_both_datasets_with_their_sums(both, whole):
    assert (whole / DATASET_FILE).read_text().splitlines() == [str(each) for each in both]
    sums = json.loads((whole / SUMS_FILE).read_text())
    assert [each["dataset"] for each in sums] == [str(each) for each in both]
    assert [each["trained_on"] for each in sums] == [16, 4]
    assert len({each["sha256"] for each in sums}) == 2


def test_a_run_does_not_resume_on_its_datasets_in_another_order(
    config, both, alone, whole, tmp_path
):
    run = shutil.copytree(whole, tmp_path / "run")
    with user_error("conflict", "--data"):
        train(config, both[::-1], run, alone, resume=True)

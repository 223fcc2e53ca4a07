"""Localization on recordings whose visible source is labelled.

The audio energy points at most of the sources. The evaluation of a model runs on them from a table
of directions; nothing is claimed about an untrained model.
"""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from helpers.scene_runs import TINY
from quality.real_bench import read_labels
from quality.real_sources import source_of

from avsa.config.recipe import load_config
from avsa.evals.config_options import configure
from avsa.evals.localization.localizer import audio_energy
from avsa.evals.localization.panorama import peak
from avsa.evals.localization.testing import BAND_HZ
from avsa.evals.run import evaluate
from avsa.evals.subject import Evaluated
from avsa.hub.load import Model
from avsa.training.distributed import World
from avsa.views.audio_statistics import AudioStatistics
from yt360.clip_codec.format import ClipFormat
from yt360.clips import parse_key, video_id_of
from yt360.shards.builder.build import build_shards
from yt360.shards.builder.inputs.search import find_inputs
from yt360.shards.builder.options import BuildOptions
from yt360.shards.format.reader import ShardReader
from yt360.sphere import angle_between

pytestmark = [pytest.mark.real, pytest.mark.slow]

FPS, CLIP_S, TOLERANCE_DEG = 16, 10, 20.0


@pytest.fixture(scope="module")
def labelled(real_data, tmp_path_factory):
    """A dataset of the recordings with a labelled source, and their sources by video id."""
    folder = real_data / "real-bench"
    if not folder.is_dir():
        pytest.skip("no labelled recordings here")
    sources = {row["file"]: source_of(row) for row in read_labels(folder)}
    files = [folder / "clips" / file for file, source in sources.items() if source]
    dataset = tmp_path_factory.mktemp("real") / "dataset"
    form = ClipFormat(width=256, height=128, fps=FPS)
    build_shards(find_inputs(files), dataset, BuildOptions(test_fraction=1.0, form=form))
    return dataset, {video_id_of(Path(file)): source for file, source in sources.items() if source}


def energy_errors_deg(dataset, sources, band_hz):
    """Return the angle from the peak of the energy to the source, by video."""
    found = {}
    clips = ShardReader(dataset, "test")
    for clip, key in enumerate(clips.keys):
        samples, rate = soundfile.read(io.BytesIO(clips.read(clip, "flac")), dtype="int16")
        heard = peak(audio_energy(torch.from_numpy(samples.T.copy()), rate, band_hz))
        video = parse_key(key)[0]
        found[video] = math.degrees(angle_between(heard, sources[video].at(0.5)))
    return found


def test_the_audio_energy_points_at_most_sources(labelled):
    dataset, sources = labelled
    errors = energy_errors_deg(dataset, sources, BAND_HZ)
    assert len(errors) == len(sources) == 14
    within_label = [video for video, each in errors.items() if each <= sources[video].tolerance_deg]
    near = [video for video, each in errors.items() if each <= TOLERANCE_DEG]
    assert len(within_label) >= 12
    assert len(near) >= 9
    assert np.median(list(errors.values())) <= 12
    broad = energy_errors_deg(dataset, sources, (0.0, 1e6))
    assert sum(each <= sources[video].tolerance_deg for video, each in broad.items()) < 12


def test_the_evaluation_runs_on_labelled_recordings(labelled, tmp_path):
    dataset, sources = labelled
    table = tmp_path / "sources.csv"
    still = {v: s for v, s in sources.items() if not s.moves}
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("key", "azimuth_deg", "elevation_deg"))
        rows.writerows((f"{v}-00000", s.azimuths_deg[0], s.elevation_deg) for v, s in still.items())
    config = load_config("small", TINY)
    torch.manual_seed(0)
    encoders = config.encoders.build(config.audio.num_channels)
    task = config.stages["avsa"].task.build(config.encoders.feature_dim)
    statistics = AudioStatistics(torch.full((16,), -40.0), torch.full((16,), 20.0))
    model = Model(config, encoders, task, statistics, FPS, 0).eval()
    evaluation = configure("localization", {"directions": str(table), "pictures": 2}, {})
    world = World(0, 1, torch.device("cpu"))
    subject = Evaluated("tiny", model, "avsa")
    record, path = evaluate(evaluation, subject, dataset, tmp_path, world)
    metrics = record.result.metrics
    assert len(record.result.tables["clips"]) == len(still) == 8
    # Windows of a second: the energy still beats the front, the direction of most labels.
    assert metrics["hits_energy"].value >= 0.3 > metrics["hits_energy"].chance
    assert 0 <= metrics["hits"].value <= 1
    assert all((path.parent / "pictures" / name).is_file() for name in record.result.pictures)

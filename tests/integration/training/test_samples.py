"""A preview of a run shows what the run was trained on."""

from contextlib import closing

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from avsa.commands.preview import command
from avsa.data.clips import open_clips
from avsa.data.loader import Loader
from avsa.preview.samples import samples_of_step
from avsa.preview.sheet import DPI, HEIGHT_IN
from avsa.training.curriculum import lay_out
from avsa.training.metrics_log import read_log
from avsa.views.audio_statistics import AudioStatistics
from avsa.views.batch import make_batch
from yt360.errors import UserError

STEPS = (2, 7)  # one in each of the run's stages


@pytest.mark.parametrize("step", STEPS)
def test_samples_of_a_step_are_those_of_its_batch(undisturbed, data, step):
    config, run = undisturbed
    with closing(open_clips(data, "train")) as clips:
        samples = samples_of_step(clips, run, step)
        stages = lay_out(config, clips.video_ids, clips.shard_numbers.tolist(), 1)
        stage = next(stage for stage in stages if step <= stage.last_step)
        loader = Loader(clips, stage.order, config.stage_data(stage.name), stage.seed)
        bands = config.audio.n_mels
        decibels = AudioStatistics(torch.zeros(bands), torch.ones(bands))
        views = config.stage_views(stage.name)
        raw = loader.load(step - 1 - stage.first_step)
        whole = make_batch(raw, stage.seed, views, config.audio, decibels)
        for number, key in enumerate(read_log(run)[step - 1]["keys"]):
            one = samples.load(number)
            assert one.raw.keys == [key]
            torch.testing.assert_close(one.directions[0], whole.directions[number], rtol=0, atol=0)
            torch.testing.assert_close(one.video[0], whole.video[number])
            torch.testing.assert_close(one.audio[0], whole.audio[number], atol=1e-3, rtol=1e-4)


def test_the_command_draws_a_step_of_a_run(undisturbed, tmp_path):
    _, run = undisturbed
    out = tmp_path / "run.png"
    for step, arguments in ((-1, []), (1, ["--step", "2"])):
        arguments = ["--run", str(run), "--out", str(out), "--samples", "2", *arguments]
        result = CliRunner().invoke(command, arguments, catch_exceptions=False)
        assert result.output.strip().endswith(", ".join(read_log(run)[step]["keys"][:2]))
        assert Image.open(out).height == round(2 * HEIGHT_IN * DPI)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run", "RUN", "--recipe", "avsa"], "--recipe does not go with --run"),
        (["DATASET", "--run", "RUN"], "dataset does not go with --run"),
        (["DATASET", "--step", "3"], "--step goes with --run"),
        ([], "give DATASET"),
        (["--run", "RUN", "--step", "11"], "step 11 is not in .*; give 1 to 10"),
        (["--run", "RUN", "--samples", "5"], "there are 4 samples, so sample 5 cannot be drawn"),
        (["--run", "NOWHERE"], "contains no run"),
    ],
)
def test_what_a_run_does_not_have_is_refused(undisturbed, data, tmp_path, arguments, message):
    _, run = undisturbed
    places = {"RUN": run, "DATASET": data, "NOWHERE": tmp_path}
    words = [str(places.get(word, word)) for word in arguments]
    with pytest.raises(UserError, match=message):
        CliRunner().invoke(
            command, [*words, "--out", str(tmp_path / "x.png")], catch_exceptions=False
        )
    assert not (tmp_path / "x.png").exists()

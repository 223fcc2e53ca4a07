"""Published weights are compared with a literal version of the published layout, made here from
the list of its parameter names alone: nothing of the package is used to compute with them."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner
from helpers.errors import user_error

from avsa.commands.import_checkpoint import command
from avsa.config.recipe import load_config
from avsa.hub.load import load
from avsa.hub.published import import_published, read_any_stats
from avsa.training.checkpoint import load_checkpoint, save_checkpoint
from avsa.views.audio_statistics import AudioStatistics
from yt360.errors import UserError

WIDTHS = (8, 16, 32, 64)  # the published ones are 8 times as wide
DIM = WIDTHS[-1]


class PublishedWeights:
    """Draws named random weights, as a state dict saved from DataParallel."""

    def __init__(self, prefix, seed):
        self.prefix, self.state = prefix, {}
        self.generator = torch.Generator().manual_seed(seed)

    def add(self, name, *shape, scale=None):
        fan_in = math.prod(shape[1:]) or 1
        values = torch.randn(shape, generator=self.generator) * (scale or fan_in**-0.5)
        self.state[f"{self.prefix}{name}"] = values

    def norm(self, name, width, running=True):
        self.add(f"{name}.weight", width, scale=0.3)
        self.state[f"{self.prefix}{name}.weight"] += 1
        self.add(f"{name}.bias", width, scale=0.3)
        if running:
            self.add(f"{name}.running_mean", width, scale=0.3)
            variance = torch.rand(width, generator=self.generator) + 0.5
            self.state[f"{self.prefix}{name}.running_var"] = variance
            self.state[f"{self.prefix}{name}.num_batches_tracked"] = torch.tensor(7)

    def linear(self, name, out, into):
        self.add(f"{name}.weight", out, into)
        self.add(f"{name}.bias", out, scale=0.1)


def published_model():
    weights = PublishedWeights("module.", seed=0)
    weights.add("video_model.conv1.0.weight", WIDTHS[0], 3, 3, 7, 7)
    weights.norm("video_model.conv1.1", WIDTHS[0])
    into = WIDTHS[0]
    for stage, width in enumerate(WIDTHS):
        for block in range(2):
            name = f"video_model.conv{stage + 2}x.{block}"
            weights.add(f"{name}.spt_conv1.weight", width, into, 1, 3, 3)
            weights.add(f"{name}.tmp_conv1.weight", width, width, 3, 1, 1)
            weights.add(f"{name}.spt_conv2.weight", width, width, 1, 3, 3)
            weights.add(f"{name}.tmp_conv2.weight", width, width, 3, 1, 1)
            for norm in ("spt_bn1", "tmp_bn1", "spt_bn2", "out_bn"):
                weights.norm(f"{name}.{norm}", width)
            if into != width:
                weights.add(f"{name}.res_conv.weight", width, into, 1, 1, 1)
            into = width
    weights.add("audio_model.conv1.0.weight", WIDTHS[0], 4, 7, 7)
    weights.norm("audio_model.conv1.1", WIDTHS[0])
    into = WIDTHS[0]
    for block, width in enumerate(WIDTHS):
        name = f"audio_model.block{block + 1}"
        weights.add(f"{name}.conv1.weight", width, into, 3, 3)
        weights.add(f"{name}.conv2.weight", width, width, 3, 3)
        weights.norm(f"{name}.bn1", width)
        weights.norm(f"{name}.bn2", width)
        into = width
    return weights.state


def published_criterion(prefix="", depth=2):
    weights = PublishedWeights(f"{prefix}losses.0.", seed=1)
    for network in ("v2a_transformer", "a2v_transformer"):
        for layer in range(depth):
            name = f"{network}.transformer.{layer}"
            for part in ("query", "key", "value", "dense"):
                weights.linear(f"{name}.attention.{part}", DIM, DIM)
            weights.norm(f"{name}.attention_norm", DIM, running=False)
            weights.linear(f"{name}.dense.0", 4 * DIM, DIM)
            weights.linear(f"{name}.dense.2", DIM, 4 * DIM)
            weights.norm(f"{name}.dense_norm", DIM, running=False)
    for head in ("video_head", "audio_head", "video_pred_head", "audio_pred_head"):
        weights.linear(f"{head}.projection.0", 128, DIM)
    return weights.state


def literal_norm(state, name, x):
    shape = (1, -1, *[1] * (x.ndim - 2))
    mean, var, weight, bias = (
        state[f"{name}.{part}"].view(shape)
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / torch.sqrt(var + 1e-5) * weight + bias


def literal_video(state, x):
    p = "module.video_model"
    x = F.conv3d(x, state[f"{p}.conv1.0.weight"], stride=(1, 2, 2), padding=(1, 3, 3))
    x = literal_norm(state, f"{p}.conv1.1", x).relu()
    for stage in range(4):
        for block in range(2):
            n, s = f"{p}.conv{stage + 2}x.{block}", 2 if stage > 0 and block == 0 else 1
            spatial = {"stride": (1, s, s), "padding": (0, 1, 1)}
            temporal = {"stride": (s, 1, 1), "padding": (1, 0, 0)}
            y = F.conv3d(x, state[f"{n}.spt_conv1.weight"], **spatial)
            y = literal_norm(state, f"{n}.spt_bn1", y).relu()
            y = F.conv3d(y, state[f"{n}.tmp_conv1.weight"], **temporal)
            y = literal_norm(state, f"{n}.tmp_bn1", y).relu()
            y = F.conv3d(y, state[f"{n}.spt_conv2.weight"], padding=(0, 1, 1))
            y = literal_norm(state, f"{n}.spt_bn2", y).relu()
            y = F.conv3d(y, state[f"{n}.tmp_conv2.weight"], padding=(1, 0, 0))
            if f"{n}.res_conv.weight" in state:
                x = F.conv3d(x, state[f"{n}.res_conv.weight"], stride=s)
            x = literal_norm(state, f"{n}.out_bn", y + x).relu()
    return x.flatten(2).max(2).values


def literal_audio(state, x):
    p = "module.audio_model"
    x = F.conv2d(x, state[f"{p}.conv1.0.weight"], stride=2, padding=3)
    x = literal_norm(state, f"{p}.conv1.1", x).relu()
    for block, stride in enumerate((1, 2, 2, 1)):
        n = f"{p}.block{block + 1}"
        x = F.conv2d(x, state[f"{n}.conv1.weight"], stride=stride, padding=1)
        x = literal_norm(state, f"{n}.bn1", x).relu()
        x = F.conv2d(x, state[f"{n}.conv2.weight"], padding=1)
        x = literal_norm(state, f"{n}.bn2", x).relu()
    return x.flatten(2).max(2).values


def literal_translation(state, network, x):
    def linear(name, x):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(name, x):
        centred = x - x.mean(-1, keepdim=True)
        unit = centred / torch.sqrt(centred.square().mean(-1, keepdim=True) + 1e-5)
        return unit * state[f"{name}.weight"] + state[f"{name}.bias"]

    for layer in range(2):
        n = f"losses.0.{network}.transformer.{layer}"
        query, key, value = (linear(f"{n}.attention.{p}", x) for p in ("query", "key", "value"))
        attention = (query @ key.transpose(1, 2) / math.sqrt(DIM)).softmax(-1)
        x = norm(f"{n}.attention_norm", linear(f"{n}.attention.dense", attention @ value) + x)
        y = linear(f"{n}.dense.2", linear(f"{n}.dense.0", x).relu())
        x = norm(f"{n}.dense_norm", y + x).relu()
    return x


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A file as the published code saves it, and what is in it."""
    content = {"model": published_model(), "train_criterion": published_criterion(), "epoch": 50}
    path = tmp_path_factory.mktemp("published") / "checkpoint.pth.tar"
    torch.save(content, path)
    return path, content


@pytest.fixture(scope="module")
def model(published, tmp_path_factory):
    path = tmp_path_factory.mktemp("imported") / "avsa.pt"
    result = CliRunner().invoke(command, [str(published[0]), "--out", str(path)])
    assert result.exit_code == 0, result.output
    return load(path)


@torch.no_grad()
def test_imported_encoders_give_the_same_embeddings(published, model):
    video, audio = torch.randn(1, 3, 8, 48, 48), torch.randn(2, 4, 100, 128)
    state = published[1]["model"]
    torch.testing.assert_close(
        model.encoders.video(video), literal_video(state, video), rtol=1e-5, atol=1e-5
    )
    torch.testing.assert_close(
        model.encoders.audio(audio), literal_audio(state, audio), rtol=1e-5, atol=1e-5
    )


@torch.no_grad()
def test_imported_translation_gives_the_same_predictions(published, model):
    features = torch.randn(2, 4, DIM).relu()
    state = published[1]["train_criterion"]
    predicted_video, predicted_audio = model.task.translate(features, features)
    for ours, network in ((predicted_audio, "v2a"), (predicted_video, "a2v")):
        theirs = literal_translation(state, f"{network}_transformer", features)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    head = "losses.0.audio_pred_head.projection.0"
    torch.testing.assert_close(
        model.task.audio_pred_head(predicted_audio),
        predicted_audio @ state[f"{head}.weight"].T + state[f"{head}.bias"],
        rtol=1e-5,
        atol=1e-5,
    )


def test_inputs_are_made_as_the_published_recipe_makes_them(model):
    recipe = load_config("avsa-published")
    assert (model.config.audio, model.config.views) == (recipe.audio, recipe.views)
    assert model.task.config == recipe.stages["avsa"].task
    model.audio_statistics = AudioStatistics(torch.zeros(128), torch.ones(128))
    spectrogram = model.prepare_audio(torch.zeros(1, 4, 24000))
    model.audio_statistics = None
    assert spectrogram.shape == (1, 1, 4, 100, 128) and (spectrogram == -200).all()


def test_imported_weights_say_that_raw_sound_needs_statistics(model):
    video = torch.zeros(8, 112, 112, 3, dtype=torch.uint8)
    with user_error("missing", "--stats"):
        model.embed(video, torch.zeros(4, 24000))


def small_file(tmp_path, model_state, criterion):
    path = tmp_path / "c.pth.tar"
    torch.save({"model": model_state, "train_criterion": criterion}, path)
    return path


def test_a_data_parallel_prefix_of_the_criterion_does_not_matter(published, tmp_path):
    path = small_file(tmp_path, published[1]["model"], published_criterion("module.", depth=1))
    content = import_published(path)
    task = content["config"]["stages"][content["stage"]]["task"]
    assert task["translation"]["depth"] == 1
    assert task["translation"]["output_relu"] is True


def test_avc_weights_import_as_avc(published, tmp_path):
    weights = PublishedWeights("module.losses.0.", seed=2)
    weights.linear("video_projection.projection.0", 128, DIM)
    weights.linear("audio_projection.projection.0", 128, DIM)
    save_checkpoint(
        tmp_path / "avc.pt",
        import_published(small_file(tmp_path, published[1]["model"], weights.state)),
    )
    model = load(tmp_path / "avc.pt")
    assert model.task.config.kind == "avc"
    key = "module.losses.0.video_projection.projection.0.bias"
    assert torch.equal(model.task.video_projection.projection[0].bias, weights.state[key])


def test_encoders_alone_import_from_any_criterion(published, tmp_path):
    path = small_file(tmp_path, published[1]["model"], {"losses.0.other.weight": torch.zeros(1)})
    with pytest.raises(UserError, match="--encoders-only imports the encoders alone"):
        import_published(path)
    assert import_published(path, encoders_only=True)["task"] is None


def test_published_statistics_come_from_an_npz_in_half_decibels(published, tmp_path):
    stats = tmp_path / "stats.npz"
    for content, code in (
        (b"", "invalid"),
        (b"PK\x03\x04cut", "invalid"),
        ({"mean": np.zeros(64), "std": np.ones(7)}, "invalid"),
        ({"mean": np.full(128, np.nan), "std": np.ones(128)}, "invalid"),
        ({"mean": np.zeros(128), "std": np.zeros(128)}, "out-of-range"),
    ):
        stats.write_bytes(content) if isinstance(content, bytes) else np.savez(stats, **content)
        with user_error(code, stats):
            read_any_stats(stats)
    np.savez(stats, mean=np.full(128, -30.0), std=np.full(128, 12.0))
    out = tmp_path / "avsa.pt"
    arguments = [str(published[0]), "--out", str(out), "--stats", str(stats), "--encoders-only"]
    assert CliRunner().invoke(command, arguments).exit_code == 0
    assert load_checkpoint(out)["stats"]["mean_db"].tolist() == [-60.0] * 128


@pytest.mark.parametrize(
    ("dropped", "added", "code", "key"),
    [
        ("video_model.conv4x.1.out_bn.weight", None, "invalid", "video.conv4x.1.out_bn.weight"),
        ("audio_model.conv1.0.weight", None, "missing", "audio.conv1.0.weight"),
        (None, "other.weight", "invalid", "module.other.weight"),
    ],
)
def test_another_layout_names_what_does_not_fit(published, tmp_path, dropped, added, code, key):
    state = dict(published[1]["model"])
    if dropped:
        del state[f"module.{dropped}"]
    else:
        state[f"module.{added}"] = torch.zeros(1)
    with user_error(code, key):
        import_published(small_file(tmp_path, state, {}))


def test_a_file_that_is_no_published_checkpoint_is_refused(tmp_path):
    torch.save({"weights": {}}, tmp_path / "x.pt")
    (tmp_path / "y.pt").write_text("text")
    for name, code in (("x.pt", "invalid"), ("y.pt", "invalid"), ("z.pt", "missing")):
        with user_error(code, tmp_path / name):
            import_published(tmp_path / name)


@pytest.mark.parametrize(
    ("model", "criterion", "message"),
    [
        ([], {}, "model is not a table"),
        ({}, [], "train_criterion is not a table"),
        ({"module.video_model.a": 3}, {}, "model is not a table"),
        ({1: torch.zeros(1)}, {}, "model is not a table"),
        ({"a" * 1000: torch.zeros(1)}, {}, "belongs to neither"),
        (
            {
                "video_model.conv1.0.weight": torch.zeros(()),
                "audio_model.conv1.0.weight": torch.zeros(()),
            },
            {},
            "not convolutions",
        ),
        (
            {
                "video_model.conv1.0.weight": torch.zeros(64, 1),
                "audio_model.conv1.0.weight": torch.zeros(64, 4),
                "video_model.conv2x.0.a": torch.zeros(1),
                "video_model.conv99999x.0.a": torch.zeros(1),
            },
            {},
            "num_stages is 99998; it must be a whole number from 1 to 8",
        ),
        (
            {
                "video_model.conv1.0.weight": torch.zeros(1024, 1),
                "audio_model.conv1.0.weight": torch.zeros(1024, 4),
                "video_model.conv2x.0.a": torch.zeros(1),
                "video_model.conv5x.0.a": torch.zeros(1),
                "audio_model.block4.a": torch.zeros(1),
            },
            {"losses.0.video_projection.projection.0.weight": torch.zeros(())},
            "has another layout",
        ),
    ],
)
def test_odd_published_weights_are_refused_in_one_line(tmp_path, model, criterion, message):
    with pytest.raises(UserError, match=message) as caught:
        import_published(small_file(tmp_path, model, criterion))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500

import math

import pytest
import torch
from helpers.errors import user_error

from avsa.models.translation import TranslationConfig
from avsa.tasks import TASKS
from avsa.tasks.infonce import InfoNCEConfig
from avsa.tasks.regression import orthonormal, relative_rotations
from yt360.sphere import direction, view_rotation

CLIPS, WINDOWS, VIEWS, DIM = 5, 3, 4, 8


def features(windows=1, views=VIEWS):
    generator = torch.Generator().manual_seed(0)
    shape = (CLIPS, windows, views, DIM)
    directions = torch.nn.functional.normalize(
        torch.randn(*shape[:-1], 3, generator=generator), dim=-1
    )
    video, audio = (torch.randn(shape, generator=generator) for _ in range(2))
    return video, audio, directions


def task(kind, translation="none", **options):
    torch.manual_seed(0)
    networks = {
        "translation": TranslationConfig(kind=translation, dropout=0.0),
        "info_nce": InfoNCEConfig(**options),
    }
    return TASKS.load(kind)(**(networks if kind != "regression" else {})).build(DIM)


@pytest.mark.parametrize(
    ("kind", "translation"),
    [
        ("avc", "none"),
        ("avc", "transformer"),
        ("avts", "none"),
        ("avts", "transformer"),
        ("avsa", "none"),
        ("avsa", "mlp"),
        ("avsa", "transformer"),
        ("regression", "none"),
    ],
)
def test_every_weight_of_every_task_learns(kind, translation):
    module = task(kind, translation)
    loss, metrics = module(*features(windows=WINDOWS if kind == "avts" else 1))
    loss.backward()
    assert all(value.ndim == 0 for value in metrics.values())
    still = [name for name, p in module.named_parameters() if p.grad is None]
    assert not still


@pytest.mark.parametrize("kind", ["avc", "avts"])
def test_joint_embeddings_of_projections_are_what_the_loss_compares(kind):
    module = task(kind)
    video, audio, directions = features(windows=WINDOWS if kind == "avts" else 1)
    loss, _ = module(video[:, :, :1], audio[:, :, :1], directions[:, :, :1])
    joint_video, joint_audio = module.joint_embeddings(video[:, :, 0], audio[:, :, 0])
    logits = joint_video.flatten(0, 1) @ joint_audio.flatten(0, 1).T / InfoNCEConfig().temperature
    both = [torch.log_softmax(each, dim=1).diagonal().mean() for each in (logits, logits.T)]
    torch.testing.assert_close(loss, -sum(both) / 2)


@pytest.mark.parametrize("translation", ["none", "mlp", "transformer"])
def test_joint_embeddings_of_translations_give_the_mean_cosine_of_both_directions(translation):
    module = task("avsa", translation).eval()
    video, audio, _ = features()
    joint_video, joint_audio = module.joint_embeddings(video, audio)
    predicted_video, predicted_audio = module.translate(video, audio)
    cosines = [
        torch.cosine_similarity(predictions[..., :, None, :], targets[..., None, :, :], dim=-1)
        for predictions, targets in (
            (module.audio_pred_head(predicted_audio), module.audio_head(audio)),
            (module.video_head(video), module.video_pred_head(predicted_video)),
        )
    ]
    torch.testing.assert_close(joint_video @ joint_audio.mT, sum(cosines) / 2)
    assert joint_video.shape[-1] == module.joint_dim
    torch.testing.assert_close(joint_video.norm(dim=-1), torch.ones(joint_video.shape[:-1]))


def test_regression_has_no_joint_embeddings():
    module = task("regression")
    assert module.joint_dim == 0
    with user_error("unsupported", "regression"):
        module.joint_embeddings(torch.zeros(1, DIM), torch.zeros(1, DIM))


def test_views_of_avc_are_joined_by_their_maximum():
    module = task("avc")
    video, audio, directions = features()
    loss, _ = module(video, audio, directions)
    joined, _ = module(
        video.amax(2, keepdim=True), audio.amax(2, keepdim=True), directions[:, :, :1]
    )
    assert torch.equal(loss, joined)


def test_avts_tells_windows_apart_and_not_views():
    module = task("avts")
    video, audio, directions = features(windows=WINDOWS)
    shuffled, _ = module(video[:, :, [3, 1, 0, 2]], audio, directions)
    loss, metrics = module(video, audio, directions)
    torch.testing.assert_close(loss, shuffled)
    assert 0 <= metrics["view_accuracy"] <= 1
    moved, _ = module(video.roll(1, dims=1), audio, directions)
    assert not torch.isclose(moved, loss)


def test_avsa_tells_views_apart():
    module = task("avsa", "transformer")
    video, audio, directions = features()
    loss, _ = module(video, audio, directions)
    both, _ = module(video.roll(1, dims=2), audio.roll(1, dims=2), directions)
    one, _ = module(video.roll(1, dims=2), audio, directions)
    torch.testing.assert_close(both, loss)
    assert not torch.isclose(one, loss)


def test_the_loss_is_the_mean_of_both_directions():
    loss, metrics = task("avsa", "transformer")(*features())
    torch.testing.assert_close(loss.detach(), (metrics["loss_v2a"] + metrics["loss_a2v"]) / 2)


def test_one_view_has_no_view_accuracy():
    _, metrics = task("avc")(*features(views=1))
    assert "view_accuracy" not in metrics
    assert "avc_accuracy" in metrics


@pytest.mark.parametrize("translation", ["none", "transformer"])
def test_avc_of_several_views_tells_how_well_it_knows_them_apart(translation):
    module = task("avc", translation).eval()
    if translation == "none":
        module.audio_projection.load_state_dict(module.video_projection.state_dict())
        video, _, directions = features()
        _, metrics = module(video, video, directions)  # each video is its own audio
        assert metrics["view_accuracy"] == 1
        _, metrics = module(video, video.roll(1, dims=2), directions)
        assert metrics["view_accuracy"] == 0
        return
    _, metrics = module(*features())
    assert 0 <= metrics["view_accuracy"] <= 1
    assert not metrics["view_accuracy"].requires_grad


def test_relative_rotation_takes_one_view_into_the_other():
    azimuth, elevation = torch.tensor([0.3, -2.0]).double(), torch.tensor([0.5, -0.4]).double()
    between = relative_rotations(direction(azimuth, elevation))
    first, second = view_rotation(azimuth, elevation)
    torch.testing.assert_close(between[0, 1] @ first, second)
    torch.testing.assert_close(between[1, 1], torch.eye(3).double())


def test_any_six_numbers_become_a_rotation():
    rotation = orthonormal(torch.randn(10, 6, dtype=torch.float64))
    torch.testing.assert_close(
        rotation @ rotation.mT, torch.eye(3).double().expand(10, 3, 3), atol=1e-12, rtol=0
    )
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(10).double())


def test_rotation_loss_is_that_of_the_angle():
    module = task("regression")
    angle = 0.7
    turned = view_rotation(torch.tensor(angle), torch.tensor(0.0)).float()
    module.predict = lambda video, _: turned.expand(*video.shape[:-1], 3, 3)
    video, audio, directions = features(views=1)
    loss, metrics = module(video, audio, directions)
    assert loss.item() == pytest.approx(1 - math.cos(angle), abs=1e-6)
    assert metrics["rotation_error_deg"].item() == pytest.approx(math.degrees(angle), abs=1e-2)


@pytest.mark.parametrize("kind", ["avsa", "regression"])
def test_losses_are_as_precise_under_autocast(kind):
    module = task(kind)
    for head in module.modules():  # heads that bfloat16 represents exactly
        if isinstance(head, torch.nn.Linear):
            torch.nn.init.zeros_(head.bias)
            torch.nn.init.eye_(head.weight)
    inputs = [values.bfloat16().float() for values in features()[:2]]
    expected, _ = module(*inputs, features()[2])
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = module(*inputs, features()[2])
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("entry", TASKS.entries(), ids=str)
def test_the_table_says_what_the_classes_say(entry):
    config = TASKS.load(entry.name)
    assert entry.name == config.kind
    assert entry.help == config.__doc__
    assert entry.needs == str(config.needs)

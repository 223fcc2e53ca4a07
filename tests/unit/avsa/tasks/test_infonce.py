import pytest
import torch
import torch.nn.functional as F
from helpers.errors import user_error

import avsa
from avsa.tasks.infonce import InfoNCE, embedding_spread

CLIPS, VIEWS, DIM = 3, 4, 5


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(CLIPS, VIEWS, DIM, generator=generator).double() for _ in range(2)]


def literal_loss(predictions, targets, temperature, negatives, views=VIEWS):
    """Equation 9, one prediction at a time."""
    losses = []
    for i in range(CLIPS):
        for k in range(views):
            scores, positive = [], None
            for j in range(CLIPS):
                for m in range(views):
                    if negatives == "clip" and i != j:
                        continue
                    if negatives == "published" and i != j and k != m:
                        continue
                    if (i, k) == (j, m):
                        positive = len(scores)
                    similarity = F.cosine_similarity(predictions[i, k], targets[j, m], dim=0)
                    scores.append(similarity / temperature)
            losses.append(-torch.stack(scores).log_softmax(0)[positive])
    return torch.stack(losses).mean()


@pytest.mark.parametrize("negatives", ["all", "published", "clip"])
def test_loss_is_the_equation(pair, negatives):
    loss = InfoNCE(negatives=negatives)(*pair)
    torch.testing.assert_close(loss, literal_loss(*pair, 0.07, negatives))


def test_one_view_of_each_clip_needs_no_axis_of_views(pair):
    first = [each[:, 0] for each in pair]
    loss = avsa.InfoNCE(temperature=0.2)(*first)
    expected = literal_loss(*(each[:, None] for each in first), 0.2, "all", views=1)
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize(
    ("predictions", "targets", "first_clip"),
    [((2, 3), (2, 4), 0), ((2, 1, 3), (2, 3), 0), ((2,), (2,), 0), ((2, 3), (3, 3), 2)],
)
def test_shapes_that_do_not_fit_are_refused(predictions, targets, first_clip):
    with user_error("invalid", "predictions"):
        InfoNCE()(torch.zeros(predictions), torch.zeros(targets), first_clip)


def test_options_are_checked():
    with user_error("out-of-range", "temperature"):
        InfoNCE(temperature=0.0)


def test_clip_term_adds_the_loss_over_the_own_views(pair):
    whole = InfoNCE(within_clip_weight=0.5)(*pair)
    own = InfoNCE(negatives="clip")(*pair)
    torch.testing.assert_close(whole, InfoNCE()(*pair) + 0.5 * own)


def test_clips_are_counted_right_whatever_the_negatives_of_the_loss(pair):
    """Own clips are found among others, even if the loss only compares within clips."""
    predictions, targets = pair
    mixed = targets.roll(1, 0)
    for others in (targets, mixed):
        every = InfoNCE(negatives="all").compare(predictions, others)
        own = InfoNCE(negatives="clip").compare(predictions, others)
        assert own.avc_accuracy == every.avc_accuracy
        assert own.view_accuracy == every.view_accuracy == own.avsa_accuracy
    assert InfoNCE(negatives="clip").compare(targets, mixed).avc_accuracy == 0


@pytest.mark.parametrize("negatives", ["all", "published"])
@pytest.mark.parametrize("chunk", [1, 5, 12, 100])
def test_chunks_change_neither_loss_nor_gradients(pair, chunk, negatives):
    results = []
    for size in (0, chunk):
        inputs = [tensor.clone().requires_grad_() for tensor in pair]
        loss = InfoNCE(chunk_size=size, negatives=negatives, within_clip_weight=1.0)(*inputs)
        loss.backward()
        results.append([loss.detach(), *(tensor.grad for tensor in inputs)])
    for whole, chunked in zip(*results, strict=True):
        torch.testing.assert_close(whole, chunked)


def test_the_mean_over_parts_of_the_batch_is_the_whole(pair):
    predictions, targets = pair
    loss = InfoNCE(within_clip_weight=1.0)
    parts = [loss(predictions[i : i + 1], targets, i) for i in range(CLIPS)]
    torch.testing.assert_close(torch.stack(parts).mean(), loss(predictions, targets))


def accuracies(predictions, targets):
    _, *values = InfoNCE().compare(predictions, targets)
    return values


def test_true_predictions_win_everywhere_and_collapsed_ones_nowhere(pair):
    assert accuracies(pair[0], pair[0]) == [1, 1, 1]
    same = torch.ones(CLIPS, VIEWS, DIM)
    assert accuracies(same, same) == [0, 0, 0]


def test_knowing_the_clip_but_not_the_view_is_told_from_the_other_way_round():
    clips = torch.eye(CLIPS, DIM)[:, None].expand(-1, VIEWS, -1)
    noise = 0.01 * torch.randn(CLIPS, VIEWS, DIM, generator=torch.Generator().manual_seed(0))
    avc, _, views = accuracies(clips, clips + noise)
    assert avc == 1 and views <= 0.5
    alike = torch.eye(VIEWS, DIM).expand(CLIPS, -1, -1)
    avc, _, views = accuracies(alike, alike + noise)
    assert views == 1 and avc <= 0.6


def test_norms_of_embeddings_do_not_matter(pair):
    torch.testing.assert_close(InfoNCE()(pair[0] * 3, pair[1] * 0.2), InfoNCE()(*pair))


def test_autocast_does_not_change_the_loss(pair):
    pair = [tensor.float() for tensor in pair]
    expected = InfoNCE()(*pair)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(InfoNCE()(*pair), expected)


def test_spread_tells_collapse():
    assert embedding_spread(torch.ones(50, 8)) == pytest.approx(0, abs=1e-6)
    random = torch.randn(5000, 8, generator=torch.Generator().manual_seed(0))
    assert embedding_spread(random) == pytest.approx(1, abs=0.02)

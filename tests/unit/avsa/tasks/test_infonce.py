import pytest
import torch
import torch.nn.functional as F

from avsa.tasks.infonce import InfoNCEConfig, contrast, embedding_spread

CLIPS, VIEWS, DIM = 3, 4, 5


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(CLIPS, VIEWS, DIM, generator=generator).double() for _ in range(2)]


def literal_loss(predictions, targets, temperature, proposals):
    """Equation 9, one prediction at a time."""
    losses = []
    for i in range(CLIPS):
        for k in range(VIEWS):
            scores, positive = [], None
            for j in range(CLIPS):
                for m in range(VIEWS):
                    if proposals == "clip" and i != j:
                        continue
                    if proposals == "published" and i != j and k != m:
                        continue
                    if (i, k) == (j, m):
                        positive = len(scores)
                    similarity = F.cosine_similarity(predictions[i, k], targets[j, m], dim=0)
                    scores.append(similarity / temperature)
            losses.append(-torch.stack(scores).log_softmax(0)[positive])
    return torch.stack(losses).mean()


@pytest.mark.parametrize("proposals", ["all", "published", "clip"])
def test_loss_is_the_equation(pair, proposals):
    config = InfoNCEConfig(negatives=proposals)
    loss = contrast(*pair, config).loss
    expected = literal_loss(*pair, 0.07, proposals)
    torch.testing.assert_close(loss, expected)


def test_clip_term_adds_the_loss_over_the_own_views(pair):
    whole = contrast(*pair, InfoNCEConfig(within_clip_weight=0.5)).loss
    parts = contrast(*pair, InfoNCEConfig()).loss
    own = contrast(*pair, InfoNCEConfig(negatives="clip")).loss
    torch.testing.assert_close(whole, parts + 0.5 * own)


@pytest.mark.parametrize("proposals", ["all", "published"])
@pytest.mark.parametrize("chunk", [1, 5, 12, 100])
def test_chunks_change_neither_loss_nor_gradients(pair, chunk, proposals):
    results = []
    for size in (0, chunk):
        inputs = [tensor.clone().requires_grad_() for tensor in pair]
        outcome = contrast(
            *inputs, InfoNCEConfig(chunk_size=size, negatives=proposals, within_clip_weight=1.0)
        )
        outcome.loss.backward()
        results.append([outcome.loss.detach(), *(tensor.grad for tensor in inputs)])
    for whole, chunked in zip(*results, strict=True):
        torch.testing.assert_close(whole, chunked)


def test_the_mean_over_parts_of_the_batch_is_the_whole(pair):
    predictions, targets = pair
    config = InfoNCEConfig(within_clip_weight=1.0)
    parts = [contrast(predictions[i : i + 1], targets, config, i).loss for i in range(CLIPS)]
    torch.testing.assert_close(
        torch.stack(parts).mean(), contrast(predictions, targets, config).loss
    )


def test_true_predictions_win_everywhere(pair):
    outcome = contrast(pair[0], pair[0], InfoNCEConfig())
    assert outcome.avc_accuracy == outcome.avsa_accuracy == outcome.view_accuracy == 1


def test_knowing_the_clip_but_not_the_view_is_told_from_the_other_way_round():
    clips = torch.eye(CLIPS, DIM)[:, None].expand(-1, VIEWS, -1)
    noise = 0.01 * torch.randn(CLIPS, VIEWS, DIM, generator=torch.Generator().manual_seed(0))
    outcome = contrast(clips, clips + noise, InfoNCEConfig())
    assert outcome.avc_accuracy == 1
    assert outcome.view_accuracy <= 0.5
    views = torch.eye(VIEWS, DIM).expand(CLIPS, -1, -1)
    outcome = contrast(views, views + noise, InfoNCEConfig())
    assert outcome.view_accuracy == 1
    assert outcome.avc_accuracy <= 0.6


def test_collapsed_embeddings_never_count_as_hits():
    same = torch.ones(CLIPS, VIEWS, DIM)
    outcome = contrast(same, same, InfoNCEConfig())
    assert outcome.avc_accuracy == outcome.avsa_accuracy == outcome.view_accuracy == 0


def test_lengths_of_embeddings_do_not_matter(pair):
    scaled = contrast(pair[0] * 3, pair[1] * 0.2, InfoNCEConfig()).loss
    torch.testing.assert_close(scaled, contrast(*pair, InfoNCEConfig()).loss)


def test_autocast_does_not_change_the_loss(pair):
    expected = contrast(*(tensor.float() for tensor in pair), InfoNCEConfig()).loss
    with torch.autocast("cpu", torch.bfloat16):
        outcome = contrast(*(tensor.float() for tensor in pair), InfoNCEConfig())
    assert torch.equal(outcome.loss, expected)


def test_spread_tells_collapse():
    assert embedding_spread(torch.ones(50, 8)) == pytest.approx(0, abs=1e-6)
    random = torch.randn(5000, 8, generator=torch.Generator().manual_seed(0))
    assert embedding_spread(random) == pytest.approx(1, abs=0.02)

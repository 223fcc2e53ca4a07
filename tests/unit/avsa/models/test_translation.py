import math

import pytest
import torch
import torch.nn.functional as F

from avsa.models.translation import TranslationConfig

DIM, VIEWS = 6, 4


def network(kind, **options):
    torch.manual_seed(0)
    return TranslationConfig(kind=kind, **options).build(DIM).double().eval()


@pytest.fixture
def features():
    return torch.randn(2, VIEWS, DIM, generator=torch.Generator().manual_seed(1)).double()


def literal_layer(layer, x):
    """Equations 4 to 6, one view at a time."""
    attention = layer.attention
    mixed = []
    for k in range(len(x)):
        weights = torch.stack(
            [attention.query(x[k]) @ attention.key(x[m]) / math.sqrt(DIM) for m in range(len(x))]
        ).softmax(0)
        value = sum(weights[m] * attention.value(x[m]) for m in range(len(x)))
        y = layer.attention_norm(x[k] + attention.dense(value))
        z = layer.dense[2](F.relu(layer.dense[0](y)))
        mixed.append(layer.dense_norm(y + z))
    return torch.stack(mixed)


def test_transformer_is_equations_4_to_6(features):
    net = network("transformer", depth=2)
    expected = []
    for clip in features:
        for layer in net.transformer:
            clip = literal_layer(layer, clip)
        expected.append(clip)
    torch.testing.assert_close(net(features), torch.stack(expected))


@pytest.mark.parametrize("kind", ["transformer", "mlp"])
def test_permuting_the_views_permutes_the_outputs(kind, features):
    net, order = network(kind), torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(net(features[:, order]), net(features)[:, order])


@pytest.mark.parametrize(("kind", "sees_others"), [("transformer", True), ("mlp", False)])
def test_only_the_transformer_lets_a_view_see_the_others(kind, sees_others, features):
    net, changed = network(kind), features.clone()
    changed[:, 1:] += 1
    same = torch.equal(net(features)[:, 0], net(changed)[:, 0])
    assert same is not sees_others


def test_the_mlp_has_about_as_many_weights():
    count = {
        kind: sum(p.numel() for p in TranslationConfig(kind=kind).build(512).parameters())
        for kind in ("transformer", "mlp")
    }
    assert count["mlp"] == pytest.approx(count["transformer"], rel=0.001)


def test_clips_do_not_see_each_other(features):
    net = network("transformer")
    torch.testing.assert_close(net(features)[:1], net(features[:1]))


def test_output_relu_leaves_nothing_negative(features):
    assert network("transformer", output_relu=True)(features).min() == 0
    assert network("transformer")(features).min() < 0


def test_none_leaves_features_as_they_are(features):
    assert network("none")(features) is features


def test_dropout_acts_in_training_only(features):
    net = network("transformer", dropout=0.5)
    torch.testing.assert_close(net(features), net(features))
    net.train()
    assert not torch.equal(net(features), net(features))

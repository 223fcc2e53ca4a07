"""Metrics against loops over pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from avsa.evals.segmentation.metrics import (
    batch_metrics,
    class_iou,
    confusion_matrices,
    mean_iou,
    pixel_accuracy,
)

CLASSES = 4


@pytest.fixture
def maps():
    """Predictions and targets of three images; the last one has no target."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(0, 3, (3, 6, 5), generator=generator)  # class 3 is no target
    predicted = torch.where(
        torch.rand(targets.shape, generator=generator) < 0.6,
        targets,
        torch.randint(0, 2, targets.shape, generator=generator),  # nor a prediction
    )
    targets[0, :2], targets[1, 3, 2], targets[2] = 255, 255, 255
    return predicted, targets


def literal_iou(predicted, targets, number):
    inside = union = 0
    for p, t in zip(predicted.flatten().tolist(), targets.flatten().tolist(), strict=True):
        if t != 255:
            inside += p == number and t == number
            union += p == number or t == number
    return inside / union if union else None


def test_metrics_of_a_data_set_count_its_pixels(maps):
    from sklearn.metrics import accuracy_score, jaccard_score  # takes 0.3 s

    predicted, targets = maps
    confusion = confusion_matrices(predicted, targets, CLASSES).sum(0).double().numpy()
    expected = [literal_iou(*maps, number) for number in range(CLASSES)]
    assert expected[3] is None and np.isnan(class_iou(confusion)[3])
    assert class_iou(confusion)[:3].tolist() == pytest.approx(expected[:3])
    assert float(mean_iou(confusion)) == pytest.approx(np.mean(expected[:3]))
    labelled = targets != 255
    hits = (predicted == targets)[labelled].double().mean().item()
    assert float(pixel_accuracy(confusion)) == pytest.approx(hits)
    pair = targets[labelled], predicted[labelled]
    assert jaccard_score(*pair, average="macro") == pytest.approx(float(mean_iou(confusion)))
    assert accuracy_score(*pair) == pytest.approx(hits)


def test_published_metrics_are_means_over_image_and_class(maps):
    predicted, targets = maps
    pairs = [literal_iou(p, t, number) for p, t in zip(*maps, strict=True) for number in range(4)]
    present = [each for each in pairs if each is not None]
    assert len(present) < 9
    found = batch_metrics(confusion_matrices(predicted, targets, CLASSES).double().numpy())
    assert found.image_iou == pytest.approx(np.mean(present))
    assert found.pixel_accuracy == pytest.approx(
        (predicted == targets)[targets != 255].double().mean().item()
    )
    assert batch_metrics(np.zeros((2, CLASSES, CLASSES))) is None


def test_the_two_ways_differ_for_images_of_unequal_classes():
    """One image is all class 0 and right; the other has one right pixel of class 1 in four."""
    targets = torch.tensor([[[0, 0], [0, 0]], [[1, 1], [1, 1]]])
    predicted = torch.tensor([[[0, 0], [0, 0]], [[1, 0], [0, 0]]])
    confusion = confusion_matrices(predicted, targets, 2).double().numpy()
    assert float(mean_iou(confusion.sum(0))) == pytest.approx((4 / 7 + 1 / 4) / 2)
    assert batch_metrics(confusion).image_iou == pytest.approx((1 + 0 + 1 / 4) / 3)

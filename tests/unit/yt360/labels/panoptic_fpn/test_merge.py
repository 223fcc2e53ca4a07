"""Merging and the most probable class give what literal versions give, to the bit."""

import pytest
import torch
from torch.nn import functional as F

from yt360.labels.classes import NUM_STUFF
from yt360.labels.panoptic_fpn.detections import Detections
from yt360.labels.panoptic_fpn.merge import merge, paste, to_output
from yt360.labels.panoptic_fpn.semantic import most_probable, probability, upsample
from yt360.labels.segments import Segment

CASES = [(number, out) for number in (0, 1, 12, 40) for out in ((96, 96), (61, 83))]
NETWORK = (96, 90)


def random_answer(number, seed=0):
    """Return logits (54, 24, 24) and objects in pixels of the network input."""
    generator = torch.Generator().manual_seed(seed)

    def smooth(count, cells, side):
        values = torch.randn(count, 1, cells, cells, generator=generator)
        return F.interpolate(3 * values, (side, side), mode="bilinear")[:, 0]

    low = 80 * torch.rand(number, 2, generator=generator) - 5
    high = low + 60 * torch.rand(number, 2, generator=generator)
    scores = torch.rand(number, generator=generator) * 0.7 + 0.3
    classes = torch.randint(0, 80, (number,), generator=generator)
    masks = smooth(number, 5, 28).add(1).sigmoid() if number else torch.zeros(0, 28, 28)
    return smooth(NUM_STUFF, 5, 24), Detections(torch.cat([low, high], 1), scores, classes, masks)


def merge_literally(found, semantic, probable, stuff_area):
    """Merge by masks of whole images."""
    ids = torch.zeros(semantic.shape, dtype=torch.int32)
    scores = torch.zeros(semantic.shape)
    segments = []
    for index in torch.argsort(-found.scores).tolist():
        score = float(found.scores[index])
        if score < 0.5:
            break
        window, top, left = paste(found.masks[index], found.boxes[index], tuple(semantic.shape))
        mask = torch.zeros(semantic.shape, dtype=torch.bool)
        mask[top : top + window.shape[0], left : left + window.shape[1]] = window
        area, covered = int(mask.sum()), int((mask & (ids > 0)).sum())
        if area == 0 or covered / area > 0.5:
            continue
        free = mask & (ids == 0)
        number = len(segments) + 1
        ids[free], scores[free] = number, score
        segments.append(Segment(number, True, int(found.classes[index]), area - covered, score))
    free = ids == 0
    sums = torch.bincount(semantic[free], weights=probable[free], minlength=NUM_STUFF)
    for label in range(1, NUM_STUFF):
        mask = free & (semantic == label)
        area = int(mask.sum())
        if area and area >= stuff_area:
            number = len(segments) + 1
            ids[mask], scores[mask] = number, probable[mask]
            segments.append(Segment(number, False, label, area, float(sums[label]) / area))
    return ids, scores, segments


@pytest.mark.parametrize(("number", "output"), CASES)
def test_merging_equals_the_literal_version(number, output):
    logits, found = random_answer(number)
    semantic = upsample(logits, NETWORK, output).argmax(0)
    probable = probability(logits, NETWORK, output)
    objects = to_output(found, NETWORK, output)
    merged = merge(objects, semantic.to(torch.uint8), probable, stuff_area=40)
    ids, scores, segments = merge_literally(objects, semantic, probable, 40)
    assert torch.equal(merged.ids, ids) and torch.equal(merged.scores, scores)
    assert merged.segments == segments


@pytest.mark.parametrize("output", [(96, 96), (61, 83), (96, 90)])
def test_the_most_probable_class_is_the_first_largest_logit(output):
    logits, _ = random_answer(0)
    logits = (2 * logits).round() / 2  # many equal ones
    found = most_probable(logits, NETWORK, output)
    assert found.dtype == torch.uint8
    assert torch.equal(found.long(), upsample(logits, NETWORK, output).argmax(0))

"""Joining the parts of objects that several views saw."""

import math
import random

import pytest
import torch

from yt360.labels.segmenters.base import Segmentation
from yt360.labels.sphere.fusion import fuse, make_fusion_table
from yt360.labels.sphere.instances import link_instances
from yt360.labels.sphere.views import VIEW_SETS
from yt360.sphere import angle_between, direction

SKY, PERSON = 120, 0
SIDE, HEIGHT = 96, 96


@pytest.fixture(scope="module")
def ring():
    """The default views: their pixels' directions, and the plan of fusing them."""
    views = VIEW_SETS["ring-8"]
    return views.directions(SIDE).float(), make_fusion_table(views, SIDE, HEIGHT, 2 * HEIGHT)


def persons(directions, discs, draw):
    """Answers of the views: round persons, whose size each view judges a little differently."""
    answers = []
    for view in directions:
        classes = torch.full((SIDE, SIDE), SKY, dtype=torch.uint8)
        instances = torch.zeros(SIDE, SIDE, dtype=torch.int32)
        for number, (azimuth, elevation, radius) in enumerate(discs, start=1):
            centre = direction(math.radians(azimuth), math.radians(elevation)).float()
            judged = math.radians(radius * draw.uniform(0.9, 1.15))
            inside = (angle_between(view, centre) < judged) & (instances == 0)
            classes[inside], instances[inside] = PERSON, number
        answers.append(Segmentation(classes, torch.full((SIDE, SIDE), 0.9), instances))
    return answers


def test_touching_objects_of_one_class_stay_two_when_views_judge_their_outlines_differently(ring):
    directions, plan = ring
    draw = random.Random(0)
    for _ in range(25):
        azimuth, elevation = draw.uniform(-180, 180), draw.uniform(-60, 60)
        radius = draw.uniform(6, 20)
        apart = 2.04 * radius / math.cos(math.radians(elevation))
        discs = [(azimuth, elevation, radius), (azimuth + apart, elevation, radius)]
        found = fuse(persons(directions, discs, draw), plan, with_instances=True)
        assert int(found.instances.max()) == 2


@pytest.mark.parametrize("seed", range(10))
def test_what_stands_where_no_view_looks_does_not_count(seed):
    generator = torch.Generator().manual_seed(seed)
    slots, pixels, objects = 3, 400, 12
    view_of = torch.randint(0, 4, (objects + 1,), generator=generator)
    seen = torch.randint(1, objects + 1, (slots, pixels), generator=generator)
    anything = torch.randint(0, objects + 1, (slots, pixels), generator=generator)
    unseen = torch.rand(slots, pixels, generator=generator) < 0.4
    unseen[0] = False
    view = torch.where(unseen, -1, view_of[seen])
    classes = torch.full((slots, pixels), PERSON, dtype=torch.uint8)
    votes, area = (~unseen).float(), torch.ones(pixels)
    bare, covered = (
        link_instances(classes, torch.where(unseen, behind, seen), view, votes, classes[0], area)
        for behind in (torch.zeros_like(seen), anything)
    )
    assert torch.equal(bare, covered)

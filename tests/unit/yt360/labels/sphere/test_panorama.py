"""Laws of labelling a sphere through views."""

import pytest
import torch
from helpers.errors import user_error

from yt360.labels.classes import NO_CLASS
from yt360.labels.segmenters.base import Segmentation
from yt360.labels.segmenters.batches import Batches
from yt360.labels.sphere import panorama
from yt360.labels.sphere.fusion import edge_weight, fuse, make_fusion_table, render_views
from yt360.labels.sphere.panorama import PanoramaLabeller
from yt360.labels.sphere.views import VIEW_SETS
from yt360.sphere import sample_equirect

SKY, GRASS, PERSON, CAR = 120, 126, 0, 2
SETS = list(VIEW_SETS)
OBJECTS = (
    (180.0, 10.0, 25.0, PERSON),  # across the seam
    (40.0, 85.0, 20.0, CAR),  # over the upper pole
    (-60.0, -20.0, 15.0, CAR),
    (20.0, 0.0, 8.0, PERSON),
)


@pytest.fixture
def label(paint):
    def run(frames, views, *, height=80, side=64, instances=False, batch=8):
        labeller = PanoramaLabeller(Batches(paint.Segmenter(), batch), views, side, height)
        count = len(frames)
        return labeller.segment(frames, ["clip-00000"] * count, [0.0] * count, instances=instances)

    return run


@pytest.mark.parametrize("views", SETS)
def test_a_constant_sphere_gives_a_constant_map(views, label, paint):
    frames, _ = paint.sphere(64, [(0.0, 0.0, 181.0, CAR)])
    (found,) = label(frames, views)
    assert (found.classes == CAR).all()
    assert torch.allclose(found.scores, torch.tensor(1.0))


@pytest.mark.parametrize("views", SETS)
def test_the_map_is_the_truth_away_from_borders(views, label, paint):
    frames, truth = paint.sphere(160, OBJECTS)
    (found,) = label(frames, views, height=160, side=128)
    inner = paint.away_from_borders(truth)
    assert (found.classes == truth)[inner].float().mean() > 0.999
    assert (found.classes == truth).float().mean() > 0.98


@pytest.mark.parametrize("columns", [1, 37, 100, 160, 251])
def test_labels_of_a_rolled_panorama_are_the_rolled_labels(columns, label, paint):
    frames, truth = paint.sphere(160, OBJECTS)
    (still,) = label(frames, "ring-8", height=160, side=128)
    (rolled,) = label(frames.roll(columns, 2), "ring-8", height=160, side=128)
    inner = paint.away_from_borders(truth)
    same = rolled.classes.roll(-columns, 1) == still.classes
    assert same[inner].float().mean() > 0.999
    assert same.float().mean() > 0.97


@pytest.mark.parametrize("views", ["cube-100", "ring-8", "cube-corners-14"])
def test_an_object_across_the_seam_or_a_pole_is_one_object(views, label, paint):
    frames, truth = paint.sphere(160, OBJECTS)
    (found,) = label(frames, views, height=160, side=128, instances=True)
    inner = paint.away_from_borders(truth)
    seam = found.instances[(truth == PERSON) & inner]
    left, right = found.instances[70, 2], found.instances[70, -3]
    assert left == right > 0
    pole = found.instances[:8][(truth == CAR)[:8]]
    assert len(torch.unique(pole)) == 1
    # Two persons far apart and two cars far apart: four objects in all.
    assert set(torch.unique(found.instances).tolist()) == {0, 1, 2, 3, 4}
    assert len(torch.unique(seam)) == 2
    assert (found.instances[found.classes >= 80] == 0).all()


def test_the_direct_way_keeps_the_map_and_needs_no_views(label, paint):
    frames, truth = paint.sphere(80, OBJECTS)
    (found,) = label(frames, "panorama", height=80)
    assert torch.equal(found.classes, truth)
    (small,) = label(frames, "panorama", height=40)
    assert small.classes.shape == (40, 80)


def test_the_size_of_the_batch_does_not_matter(label, paint):
    frames = torch.cat([paint.sphere(32, [each])[0] for each in OBJECTS])
    one, many = (label(frames, "cube-100", height=32, side=32, batch=n) for n in (1, 100))
    for first, second in zip(one, many, strict=True):
        assert torch.equal(first.classes, second.classes)


def test_out_of_memory_while_cutting_views_halves_the_batch_and_loses_no_frame(
    label, paint, monkeypatch
):
    frames = torch.cat([paint.sphere(32, [each])[0] for each in OBJECTS * 2])
    wanted = label(frames, "cube-100", height=32, side=32)
    tried, cut = [], panorama.render_views

    def limited(frames, directions, around):
        tried.append(len(frames))
        if len(frames) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return cut(frames, directions, around)

    monkeypatch.setattr(panorama, "render_views", limited)
    found = label(frames, "cube-100", height=32, side=32, batch=100)
    assert tried == [8, 4, 2, 2, 2, 2]
    for one, other in zip(found, wanted, strict=True):
        assert torch.equal(one.classes, other.classes)


def test_a_panorama_that_does_not_fit_at_all_is_told(label, paint, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(panorama, "render_views", full)
    with user_error("system", key="--device"):
        label(paint.sphere(32)[0], "cube-100")


def test_odd_and_squeezed_panoramas_are_labelled_too(label, paint):
    frames, truth = paint.sphere(160, OBJECTS)
    squeezed = frames[:, ::2, :-1]  # 80 x 319
    (found,) = label(squeezed, "cube-100", height=160, side=128)
    assert (found.classes == truth)[paint.away_from_borders(truth, 4)].float().mean() > 0.98


@pytest.mark.parametrize(("height", "side"), [(15, 64), (0, 64), (33, 64), (64, 8)])
def test_impossible_sizes_are_refused(height, side, paint):
    with user_error("out-of-range", key="--height"):
        PanoramaLabeller(Batches(paint.Segmenter(), 1), "cube-90", side, height)


def test_views_show_what_the_sphere_holds_there():
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (2, 40, 80, 3), generator=generator, dtype=torch.uint8)
    directions = VIEW_SETS["cube-100"].directions(30)
    pictures = render_views(frames, directions)
    assert pictures.shape == (2, 6, 30, 30, 3)
    for frame in range(2):
        for view in range(6):
            image = frames[frame].permute(2, 0, 1).float()
            wanted = sample_equirect(image, directions[view].float())
            assert torch.equal(pictures[frame, view].permute(2, 0, 1).float(), wanted.round())


def test_fine_panoramas_are_averaged_not_skipped():
    stripes = torch.zeros(1, 400, 800, 3, dtype=torch.uint8)
    stripes[:, :, ::2] = 200
    pictures = render_views(stripes, VIEW_SETS["cube-90"].directions(16))
    sides = pictures[0, :4].float()
    assert (sides - 100).abs().max() <= 1


def test_views_count_less_towards_their_rim():
    x = torch.linspace(0, 1, 50)
    weights = edge_weight(torch.stack([x, torch.zeros(50)], -1))
    assert (weights.diff() < 0).all()
    assert weights[-1] > 0
    assert torch.equal(
        edge_weight(torch.tensor([0.3, -0.8])), edge_weight(torch.tensor([-0.8, 0.1]))
    )


def test_fusion_equals_a_literal_count_of_votes():
    views = VIEW_SETS["cube-120"]
    side, height = 8, 16
    generator = torch.Generator().manual_seed(1)
    shape = (len(views), side, side)
    classes = torch.tensor([SKY, GRASS, NO_CLASS])[
        torch.randint(0, 3, shape, generator=generator)
    ].to(torch.uint8)
    scores = torch.rand(shape, generator=generator) * (classes != NO_CLASS)
    nothing = torch.zeros(side, side, dtype=torch.int32)
    answers = [Segmentation(c, s, nothing) for c, s in zip(classes, scores, strict=True)]
    plan = make_fusion_table(views, side, height, 2 * height)
    found = fuse(answers, plan)
    flat_classes, flat_scores = classes.flatten().tolist(), scores.flatten()
    wanted = []
    for pixel in range(2 * height * height):
        votes = {}
        for slot in range(len(plan.source)):
            source = int(plan.source[slot, pixel])
            vote = float(flat_scores[source] * plan.weight[slot, pixel])
            if flat_classes[source] != NO_CLASS and vote > 0:
                votes[flat_classes[source]] = votes.get(flat_classes[source], 0.0) + vote
        wanted.append(max(votes, key=votes.get) if votes else NO_CLASS)
    assert found.classes.flatten().tolist() == wanted
    assert (found.scores[found.classes == NO_CLASS] == 0).all()


def test_the_surer_view_wins_and_the_rim_yields():
    plan = make_fusion_table(VIEW_SETS["cube-120"], 32, 64, 128)
    nothing = torch.zeros(32, 32, dtype=torch.int32)

    def view(label, score):
        return Segmentation(
            torch.full((32, 32), label, dtype=torch.uint8), torch.full((32, 32), score), nothing
        )

    even = fuse([view(PERSON, 0.9)] + [view(SKY, 0.9)] * 5, plan).classes
    weak = fuse([view(PERSON, 0.2)] + [view(SKY, 0.9)] * 5, plan).classes
    assert even[32, 64] == weak[32, 64] == PERSON  # seen by the front view alone
    assert 0 < (weak == PERSON).sum() < (even == PERSON).sum()
    azimuth_50 = 64 - round(50 / 360 * 128)
    assert even[32, azimuth_50] == SKY  # the view to the left sees it nearer its middle

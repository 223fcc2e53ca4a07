from __future__ import annotations

import math
import re
from contextlib import nullcontext
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from avsa.evals.features import fixed_views
from avsa.views.candidates import Band, SaliencyDensity, uniform_directions
from avsa.views.colors import RGB_MEAN, RGB_STD, color_map, stored_to_rgb, to_rgb_bytes
from avsa.views.directions import place, sample_directions
from avsa.views.sampling import ViewConfig, Views, check_views, draw_views
from yt360.ambisonics.transforms import encode, rotate
from yt360.errors import UserError
from yt360.sphere import angle_between, azimuth_elevation, direction, view_rotation

CONFIG = ViewConfig()
EXACT = 1e-6
FIELDS = tuple(field.name for field in fields(Views))
BAND = Band(-math.radians(60), math.radians(60))


def draw_many(config, count=200, saliency=None):
    maps = None if saliency is None else np.broadcast_to(saliency, (count, *saliency.shape))
    return draw_views(config, 0, 1, range(count), maps)


def follow_map(saliency, count, band=BAND):
    numbers = np.random.default_rng(0).random((1, count, 3))
    otherwise = uniform_directions(np.random.default_rng(1).random((1, count, 2)), band)
    density = SaliencyDensity(saliency[None], band)
    return density.directions(np.array([0]), numbers, otherwise)[0]


def smallest_separation(directions):
    angles = angle_between(directions[:, :, None], directions[:, None])
    off_diagonal = ~torch.eye(directions.shape[1], dtype=torch.bool)
    return angles[:, off_diagonal].min().item()


@pytest.mark.parametrize("sampler", ["uniform", "horizon", "grid", "energy", "motion"])
@pytest.mark.parametrize("num_views", [1, 4, 6])
def test_views_keep_their_distance_and_stay_in_the_band(sampler, num_views):
    saliency = np.zeros((20, 40))
    saliency[8, 10] = 1.0  # all views want to look here
    config = replace(CONFIG, sampler=sampler, num_views=num_views)
    check_views(config)
    views = draw_many(config, 100, saliency)
    assert views.azimuth.shape == (100, num_views)
    assert views.elevation.abs().max() <= math.radians(60) + EXACT
    if num_views > 1:
        assert smallest_separation(views.directions) >= math.radians(36) - 1e-4


def test_a_draw_depends_on_its_keys_alone():
    one = draw_views(CONFIG, 3, 4, [5])
    again = draw_views(CONFIG, 3, 4, [5])
    others = [draw_views(CONFIG, *key) for key in ((4, 4, [5]), (3, 5, [5]), (3, 4, [6]))]
    assert all(torch.equal(getattr(one, n), getattr(again, n)) for n in FIELDS)
    for other in others:
        assert not torch.equal(one.azimuth, other.azimuth)
        assert not torch.equal(one.color, other.color)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"num_views": 1},
        {"num_views": 14},  # some are placed at the second attempt
        {"sampler": "horizon", "num_views": 8, "hflip_per_view": False, "gain_per_view": True},
        {"sampler": "grid", "augment": False, "hfov_spacing": "plane"},
        {"sampler": "energy", "elevation_spacing": "angle", "audio_rotation": "random"},
        {"sampler": "labels", "num_views": 13, "saliency_fraction": 0.5},
    ],
)
def test_a_sample_alone_has_the_views_that_it_has_in_a_batch(changes):
    config, count = replace(CONFIG, **changes), 23
    positions = np.random.default_rng(0).integers(0, 2**40, count)
    saliency = np.random.default_rng(1).random((count, 20, 40)) ** 20
    saliency[3] = 0
    whole = draw_views(config, 1, 2, positions, saliency)
    for row, position in enumerate(positions.tolist()):
        alone = draw_views(config, 1, 2, [position], saliency[row : row + 1])
        for name in (*FIELDS, "directions", "rotations"):
            assert torch.equal(getattr(alone, name)[0], getattr(whole, name)[row]), name


def test_audio_rotated_at_random_is_independent_of_the_views():
    aligned = draw_many(CONFIG, 500)
    random = draw_many(replace(CONFIG, audio_rotation="random"), 500)
    assert torch.equal(aligned.azimuth, random.azimuth)
    assert torch.equal(aligned.color, random.color)
    heard = direction(random.audio_azimuth, random.audio_elevation)
    cosines = (heard * random.directions).sum(-1)
    assert abs(cosines.mean()) < 4 / math.sqrt(cosines.numel())  # 4 standard errors at least
    assert torch.equal(aligned.audio_azimuth, aligned.azimuth)
    assert torch.equal(aligned.audio_elevation, aligned.elevation)


def test_views_for_embedding_have_aligned_audio_even_for_a_control():
    views = fixed_views(replace(CONFIG, audio_rotation="random"), 4, 60.0)
    drawn = draw_views(views, 0, 0, [0])
    assert torch.equal(drawn.audio_azimuth, drawn.azimuth)
    assert torch.equal(drawn.audio_elevation, drawn.elevation)


def test_a_grid_without_least_separation_takes_any_number():
    check_views(replace(CONFIG, sampler="grid", num_views=50, min_separation_deg=0.0))


def test_uniform_directions_are_uniform_on_the_sphere():
    directions = uniform_directions(np.random.default_rng(0).random((40000, 2)), BAND)
    # Within the band the height is uniform (Archimedes), and so is the azimuth.
    height = directions[:, 2] / math.sin(math.radians(60))
    for fraction in (-0.5, 0.0, 0.5):
        assert np.mean(height < fraction) == pytest.approx((fraction + 1) / 2, abs=0.01)
    assert abs(directions[:, :2].mean(0)).max() < 0.01


@pytest.mark.parametrize("spacing", ["area", "angle"])
def test_an_asymmetric_band_is_uniform_in_area_or_in_angle(spacing):
    config = replace(
        CONFIG, num_views=1, elevation_spacing=spacing,
        min_elevation_deg=-20.0, max_elevation_deg=70.0,
    )  # fmt: skip
    directions = uniform_directions(np.random.default_rng(0).random((3000, 2)), config.band)
    elevation = torch.from_numpy(np.arcsin(directions[:, 2]))
    even = torch.sin(elevation) if spacing == "area" else elevation
    low, high = (math.radians(bound) for bound in (-20, 70))
    low, high = (math.sin(low), math.sin(high)) if spacing == "area" else (low, high)
    for fraction in (0.0, 0.25, 0.5, 0.75, 1.0):
        below = (even < low + fraction * (high - low) + 1e-6 * (2 * fraction - 1)).double().mean()
        assert below == pytest.approx(fraction, abs=0.03 if 0 < fraction < 1 else 0)


def test_all_samplers_stay_in_an_asymmetric_band():
    saliency = np.ones((20, 40))
    for sampler in ("uniform", "energy"):
        config = replace(CONFIG, sampler=sampler, min_elevation_deg=10.0, max_elevation_deg=50.0)
        check_views(config)
        elevation = torch.rad2deg(draw_many(config, 50, saliency).elevation)
        assert elevation.min() >= 10 - 1e-3 and elevation.max() <= 50 + 1e-3


def test_horizon_and_grid_look_at_the_horizon():
    horizon = draw_many(replace(CONFIG, sampler="horizon"))
    grid = draw_many(replace(CONFIG, sampler="grid"), 3)
    assert horizon.elevation.abs().max() < EXACT and grid.elevation.abs().max() < EXACT
    expected = torch.tensor([0.0, math.pi / 2, math.pi, -math.pi / 2])
    assert torch.allclose(grid.directions, direction(expected, torch.zeros(4)), atol=1e-6)


def test_fields_of_view_lie_in_their_range():
    views = draw_many(CONFIG)
    hfov = torch.rad2deg(views.hfov)
    assert 25 <= hfov.min() < 30 and 85 < hfov.max() <= 90
    stretch = torch.tan(views.hfov / 2) / torch.tan(views.vfov / 2)
    assert 1 / 1.2 - EXACT <= stretch.min() < 0.9 and 1.1 < stretch.max() <= 1.2 + EXACT


@pytest.mark.parametrize("spacing", ["angle", "plane"])
def test_fields_of_view_are_uniform_in_angle_or_in_the_plane(spacing):
    config = replace(CONFIG, hfov_spacing=spacing, hfov_min_deg=25.05, hfov_max_deg=76.29)
    hfov = draw_many(replace(config, num_views=12, min_separation_deg=0.0), 125).hfov.double()
    limits = torch.deg2rad(torch.tensor([25.05, 76.29], dtype=torch.float64))
    even, ends = (torch.tan(each / 2) if spacing == "plane" else each for each in (hfov, limits))
    drawn = (even - ends[0]) / (ends[1] - ends[0])
    assert drawn.min() >= -1e-6 and drawn.max() <= 1 + 1e-6
    for fraction in (0.25, 0.5, 0.75):
        assert (drawn < fraction).double().mean() == pytest.approx(fraction, abs=0.03)


def test_gain_is_common_to_all_views_or_drawn_per_view():
    alike = draw_many(CONFIG, 50).gain_db
    assert torch.equal(alike, alike[:, :1].expand_as(alike)) and alike.std() > 0.3
    each = draw_many(replace(CONFIG, gain_per_view=True, gain_jitter_db=0.5), 50).gain_db
    assert each.std(1).min() > 0 and 0.4 < each.abs().max() <= 0.5


def test_flips_are_drawn_per_view_or_common_to_all_views():
    alike = draw_many(replace(CONFIG, hflip_per_view=False), 50)
    each = draw_many(CONFIG, 50)
    assert torch.equal(alike.hflip, each.hflip[:, :1].expand_as(each.hflip))
    assert 0.3 < alike.hflip.float().mean() < 0.7 and each.hflip.float().std(1).max() > 0
    assert torch.equal(alike.color, each.color)


def test_without_augmentation_only_directions_and_fields_vary():
    config = replace(CONFIG, augment=False, height=60, width=120)
    views = draw_many(config, 20)
    assert not views.hflip.any() and not views.gain_db.any()
    assert torch.allclose(torch.tan(views.hfov / 2), 2 * torch.tan(views.vfov / 2))
    assert torch.equal(views.color, views.color[:1, :1].expand_as(views.color))
    assert views.azimuth.std() > 1 and views.hfov.std() > 0.2
    assert draw_many(CONFIG, 20).hflip.float().mean() == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({"num_views": 4, "min_separation_deg": 130.0}, "at most 2"),
        ({"num_views": 60}, "at most 2"),
        ({"num_views": 5, "sampler": "grid", "min_separation_deg": 90.0}, "at most 4"),
        ({"num_views": 12, "sampler": "horizon"}, "at most [89]"),
    ],
)
def test_more_views_than_fit_are_refused(changes, fits):
    config = replace(CONFIG, **changes)
    with pytest.raises(UserError, match=f"set views.num_views to {fits}"):
        check_views(config)


@pytest.mark.parametrize("separation", [36.0, 60.0])
def test_the_largest_number_of_views_is_accepted_and_always_placed(separation):
    config = replace(CONFIG, num_views=200, min_separation_deg=separation)
    with pytest.raises(UserError, match=r"at most \d+") as caught:
        check_views(config)
    most = int(re.search(r"at most (\d+)", str(caught.value))[1])
    for num_views, accepted in ((most, True), (most + 1, False)):
        with nullcontext() if accepted else pytest.raises(UserError):
            check_views(replace(config, num_views=num_views))
    draw_many(replace(config, num_views=most), 10)  # raises if one cannot be placed


def test_accepted_numbers_of_views_are_placed():
    for num_views in (10, 16):
        config = replace(CONFIG, num_views=num_views)
        check_views(config)
        assert smallest_separation(draw_many(config, 5).directions) >= math.radians(36) - 1e-4


def test_rotations_take_each_view_ahead_and_mirror_y_there():
    views = draw_many(CONFIG, 10)
    ahead = (views.rotations @ views.directions[..., None])[..., 0]
    assert torch.allclose(ahead, torch.tensor([1.0, 0, 0]).expand_as(ahead), atol=1e-6)
    plain = view_rotation(views.azimuth, views.elevation)
    reflected = torch.diag(torch.tensor([1.0, -1.0, 1.0])) @ plain
    expected = torch.where(views.hflip[..., None, None], reflected, plain)
    assert views.hflip.any() and not views.hflip.all()
    assert torch.allclose(views.rotations, expected)


def test_directions_follow_the_map():
    saliency = np.zeros((20, 40))
    saliency[5, 30] = 1.0
    directions = torch.from_numpy(follow_map(saliency, 300))
    azimuth, elevation = azimuth_elevation(directions)
    # Row 5 of 20 spans elevations 36° to 45°, column 30 of 40 azimuths -99° to -90°.
    assert math.radians(36) <= elevation.min() and elevation.max() <= math.radians(45)
    assert math.radians(-99) <= azimuth.min() and azimuth.max() <= math.radians(-90)


def test_a_flat_map_is_like_no_map():
    directions = follow_map(np.ones((40, 80)), 40000)
    height = directions[:, 2] / math.sin(math.radians(60))
    assert np.mean(height < 0.5) == pytest.approx(0.75, abs=0.01)
    empty = follow_map(np.zeros((4, 8)), 1000)
    assert np.mean(empty[:, 2] / math.sin(math.radians(60)) < 0.5) == pytest.approx(0.75, abs=0.05)


def test_a_direction_is_as_likely_as_its_pixel_is_salient_and_large():
    saliency = np.random.default_rng(2).random((6, 8)) ** 3
    directions = torch.from_numpy(follow_map(saliency, 40000))
    azimuth, elevation = (each.numpy() for each in azimuth_elevation(directions))
    row = np.floor((0.5 - elevation / math.pi) * 6).astype(int)
    column = np.floor((0.5 - azimuth / (2 * math.pi)) * 8).astype(int)
    drawn = np.bincount(row * 8 + column, minlength=48) / 40000
    # Rows 0 and 5 have their centres outside the band.
    area = np.array([0, 0.5**0.5, 0.9659, 0.9659, 0.5**0.5, 0])[:, None]
    expected = (saliency * area / (saliency * area).sum()).ravel()
    assert np.abs(drawn - expected).max() < 0.006


def test_crowded_views_are_placed_as_one_by_one():
    # Parity with a literal loop over one clip, its views and their candidates.
    drawn = np.random.default_rng(0).standard_normal((40, 7, 64, 3))
    drawn /= np.linalg.norm(drawn, axis=-1, keepdims=True)

    def candidates(clips, views, draws):
        return drawn[clips][:, views.start : views.stop, :draws]

    placed, complete = place(40, 7, math.radians(65), candidates)
    assert 0 < complete.sum() < 40
    for clip in range(40):
        chosen = [drawn[clip, 0, 0]]
        for view in range(1, 7):
            free = (
                each
                for each in drawn[clip, view]
                if all(each @ other <= math.cos(math.radians(65)) for other in chosen)
            )
            if (found := next(free, None)) is None:
                break
            chosen.append(found)
        assert complete[clip] == (len(chosen) == 7)
        if complete[clip]:
            assert np.array_equal(placed[clip], np.array(chosen))


def test_a_fraction_of_views_follows_saliency_and_the_rest_is_free():
    saliency = np.zeros((20, 40))
    saliency[9:11, 19:21] = 1.0
    for fraction in (0.0, 0.5, 1.0):
        config = replace(CONFIG, num_views=1, sampler="energy", saliency_fraction=fraction)
        views = draw_many(config, 300, saliency)
        near = (views.directions[..., 0] > math.cos(math.radians(13))).float().mean()
        assert near == pytest.approx(fraction + (1 - fraction) * 0.015, abs=0.07)


def test_a_sampler_that_follows_saliency_needs_a_map():
    with pytest.raises(ValueError, match="needs a map"):
        sample_directions("motion", 2, ("x",), [0], min_separation=0.5, band=BAND)


def test_stored_colors_turn_into_rgb():
    red, blue = 0.2126, 0.0722
    for rgb in np.random.default_rng(0).random((20, 3)):
        y = red * rgb[0] + (1 - red - blue) * rgb[1] + blue * rgb[2]
        cb, cr = (rgb[2] - y) / (2 - 2 * blue), (rgb[0] - y) / (2 - 2 * red)
        stored = np.array([16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr, 1])
        assert np.allclose(stored_to_rgb() @ stored, rgb, atol=1e-12)


def test_jitters_are_what_they_are_called():
    def rgb(stored, brightness=1.0, contrast=1.0, saturation=1.0, hue=0.0):
        arguments = map(np.array, (brightness, contrast, saturation, hue))
        return (color_map(*arguments) @ [*stored, 1]) * RGB_STD + RGB_MEAN

    color, gray = (120, 90, 160), (120, 128, 128)
    plain = rgb(color)
    assert np.allclose(rgb(color, brightness=1.3), 1.3 * plain)
    assert np.allclose(rgb(color, contrast=0.7), 0.5 + 0.7 * (plain - 0.5))
    assert np.allclose(rgb(color, saturation=0.0), rgb(gray))
    assert np.allclose(rgb(color, saturation=0.5), 0.5 * (plain + rgb(gray)))
    assert np.allclose(rgb(gray, hue=1.0), rgb(gray))
    assert np.allclose(rgb(color, hue=2 * math.pi), plain)
    assert np.allclose(rgb(color, hue=math.pi), 2 * rgb(gray) - plain)
    assert np.allclose(rgb(color, brightness=1.2, contrast=0.8), 0.5 + 0.8 * (1.2 * plain - 0.5))


def test_standardized_rgb_converts_back_to_bytes():
    colors = np.random.default_rng(0).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    video = ((colors / 255 - RGB_MEAN) / RGB_STD).transpose(2, 0, 1)
    assert np.array_equal(to_rgb_bytes(video), colors)


def test_mirrored_audio_agrees_with_mirrored_video():
    # A source to the left in a view is to the right in the mirrored view.
    views = draw_views(replace(CONFIG, num_views=1, hflip_probability=1.0), 0, 0, [0])
    left_of_it = view_rotation(views.azimuth, views.elevation)[0, 0].T @ direction(0.3, 0.0)
    audio = encode(torch.ones(5), left_of_it)
    heard = rotate(audio, views.rotations[0, 0])
    assert torch.allclose(heard[1:, 0], torch.tensor([-math.sin(0.3), 0, math.cos(0.3)]), atol=1e-6)

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from avsa.views import crops
from avsa.views.colors import color_map, stored_to_rgb
from avsa.views.crops import crop_views
from avsa.views.sampling import ViewConfig, Views, draw_views
from yt360.sphere import direction_to_equirect, equirect_grid, view_grid

HEIGHT, WIDTH, FRAMES = 64, 128, 3
PLAIN = color_map(*(np.array(value) for value in (1.0, 1.0, 1.0, 0.0)))


def noise_planes(batch=2, height=HEIGHT, width=WIDTH):
    generator = torch.Generator().manual_seed(0)
    luma = torch.randint(16, 236, (batch, FRAMES, height, width), generator=generator)
    chroma = torch.randint(
        16, 241, (batch, 2, FRAMES, height // 2, width // 2), generator=generator
    )
    return luma.to(torch.uint8), chroma.to(torch.uint8)


def one_view(azimuth_deg, elevation_deg, hfov_deg, vfov_deg=None, hflip=False, color=PLAIN):
    angles = [azimuth_deg, elevation_deg, hfov_deg, hfov_deg if vfov_deg is None else vfov_deg]
    azimuth, elevation, hfov, vfov = (torch.tensor([[math.radians(each)]]) for each in angles)
    return Views(
        azimuth, elevation, azimuth, elevation, hfov, vfov,
        hflip=torch.tensor([[hflip]]),
        color=torch.tensor(color, dtype=torch.float32).expand(1, 1, 3, 4),
        gain_db=torch.zeros(1, 1),
    )  # fmt: skip


def pixel_by_pixel(luma, chroma, views, height, width):
    """Look each pixel up alone, in float64: the sphere's wrap, bilinear weights, colours."""

    def bilinear(plane, column, row):
        rows, columns = plane.shape

        def at(i, j):
            if i < 0 or i >= rows:  # past a pole, half a turn further
                i, j = (-1 - i if i < 0 else 2 * rows - 1 - i), j + columns // 2
            return float(plane[i, j % columns])

        i, j = math.floor(row), math.floor(column)
        a, b = row - i, column - j
        return (1 - a) * ((1 - b) * at(i, j) + b * at(i, j + 1)) + a * (
            (1 - b) * at(i + 1, j) + b * at(i + 1, j + 1)
        )

    batch, num_views = views.azimuth.shape
    out = np.zeros((batch, num_views, 3, FRAMES, height, width))
    for b, k in np.ndindex(batch, num_views):
        angles = (views.azimuth, views.elevation, views.hfov)
        grid = view_grid(
            *(each[b, k].double() for each in angles), height, width, vfov=views.vfov[b, k].double()
        )
        uv = direction_to_equirect(grid).numpy()
        if views.hflip[b, k]:
            uv = uv[:, ::-1]
        for i, j, t in np.ndindex(height, width, FRAMES):
            x, y = uv[i, j] * luma.shape[:1:-1] - 0.5
            cx = x / 2
            cy = y / 2 - 0.25
            yuv = [
                bilinear(luma[b, t], x, y),
                bilinear(chroma[b, 0, t], cx, cy),
                bilinear(chroma[b, 1, t], cx, cy),
                1.0,
            ]
            out[b, k, :, t, i, j] = views.color[b, k].double().numpy() @ yuv
    return torch.from_numpy(out).float()


@pytest.mark.parametrize("crop", ["each", "batched"])
@pytest.mark.parametrize(
    "views",
    [
        one_view(20, 10, 50),
        one_view(178, -20, 60),  # over the seam
        one_view(-180, 0, 30, 20),
        one_view(70, 75, 80),  # over the upper pole
        one_view(-120, -60, 80, 90),  # over the lower pole
        one_view(-50, 30, 70, hflip=True),
    ],
    ids=["plain", "seam", "at the seam", "zenith", "nadir", "mirrored"],
)
def test_crops_agree_with_looking_up_each_pixel(crop, views, monkeypatch):
    luma, chroma = noise_planes(1)
    if crop == "batched":
        monkeypatch.setattr(crops, "crop_each", crops.crop_batched)
    got = crop_views(luma, chroma, views, 24, 26)
    expected = pixel_by_pixel(luma, chroma, views, 24, 26)
    assert (got - expected).abs().max() < 2e-3


def test_batched_crops_are_those_one_by_one(monkeypatch):
    luma, chroma = noise_planes()
    views = draw_views(ViewConfig(), 0, 0, range(2))
    # At 8 pixels wide views are pooled, by 2 or not according to how wide they look.
    for size in (40, 8, 4):
        each = crop_views(luma, chroma, views, size, size)
        monkeypatch.setattr(crops, "crop_each", crops.crop_batched)
        together = crop_views(luma, chroma, views, size, size)
        monkeypatch.undo()
        assert (each - together).abs().max() < 2e-3


@pytest.mark.parametrize("crop", ["each", "batched"])
@pytest.mark.parametrize("height", [62, 66, 68, 72])
def test_pooled_crops_roll_with_panoramas_of_any_even_height(crop, height, monkeypatch):
    if crop == "batched":
        monkeypatch.setattr(crops, "crop_each", crops.crop_batched)
    luma, chroma = noise_planes(1, height, 2 * height)
    around = one_view(170, -60, 90), one_view(170 - 180, -60, 90)
    ours = crop_views(luma, chroma, around[0], 3, 3)
    half = torch.roll(luma, height, -1), torch.roll(chroma, height // 2, -1)
    assert (ours - crop_views(*half, around[1], 3, 3)).abs().max() < 2e-3
    # The row at a pole counts as much as any other.
    down, middle = one_view(0, -90, 40), (..., slice(1, 3), slice(1, 3))
    luma[..., -1, :] = 235
    bright = crop_views(luma, chroma, down, 4, 4)[middle]
    luma[..., -1, :] = 16
    assert (bright - crop_views(luma, chroma, down, 4, 4)[middle]).min() > 0.1


def test_views_of_a_batch_do_not_mix():
    luma, chroma = noise_planes()
    views = draw_views(ViewConfig(), 0, 0, range(2))
    both = crop_views(luma, chroma, views, 16, 16)
    alone = crop_views(luma[1:], chroma[1:], draw_views(ViewConfig(), 0, 0, [1]), 16, 16)
    assert torch.equal(both[1:], alone)


def test_a_mirrored_view_is_the_flipped_view():
    luma, chroma = noise_planes(1)
    plain = crop_views(luma, chroma, one_view(30, 20, 70), 16, 20)
    mirrored = crop_views(luma, chroma, one_view(30, 20, 70, hflip=True), 16, 20)
    assert torch.allclose(mirrored, plain.flip(-1), atol=1e-3)


def test_a_view_over_the_seam_is_the_view_of_the_rolled_panorama():
    luma, chroma = noise_planes(1)
    seam = crop_views(luma, chroma, one_view(180, 15, 60), 20, 20)
    rolled = crop_views(
        luma.roll(WIDTH // 2, -1), chroma.roll(WIDTH // 4, -1), one_view(0, 15, 60), 20, 20
    )
    assert torch.allclose(seam, rolled, atol=2e-3)


def test_luma_and_chroma_of_one_scene_stay_in_register():
    # A smooth scene drawn at luma's pixel centres and at those of (left-sited) chroma.
    def scene(u, v):
        return 128 + 60 * np.cos(2 * np.pi * u) * np.sin(np.pi * v)

    height, width = 128, 256
    v, u = np.meshgrid(np.arange(height) + 0.5, np.arange(width) + 0.5, indexing="ij")
    luma = scene(u / width, v / height)
    cv, cu = np.meshgrid(
        2 * np.arange(height // 2) + 1.0, 2 * np.arange(width // 2) + 0.5, indexing="ij"
    )
    chroma = scene(cu / width, cv / height)
    planes = [torch.from_numpy(plane).round().to(torch.uint8) for plane in (luma, chroma)]
    identity = np.concatenate([np.eye(3), np.zeros((3, 1))], 1)
    views = one_view(60, -30, 70, color=identity)
    y, cb, cr = crop_views(
        planes[0][None, None].expand(1, 1, -1, -1).contiguous(),
        planes[1][None, None, None].expand(1, 2, 1, -1, -1).contiguous(),
        views, 30, 30,
    )[0, 0, :, 0]  # fmt: skip
    assert (y - cb).abs().max() < 1.2 and torch.equal(cb, cr)
    assert (y - cb).abs().mean() < 0.4


def test_wide_views_on_few_pixels_are_averaged_not_aliased():
    # A fine checkerboard is grey at a distance; sampling single pixels of it would be noise.
    board = (torch.arange(256)[:, None] + torch.arange(512)) % 2 * 200 + 20
    luma = board.to(torch.uint8).expand(1, 1, -1, -1).contiguous()
    chroma = torch.full((1, 2, 1, 128, 256), 128, dtype=torch.uint8)
    identity = np.concatenate([np.eye(3), np.zeros((3, 1))], 1)
    wide = crop_views(luma, chroma, one_view(10, 5, 90, color=identity), 16, 16)[0, 0, 0]
    narrow = crop_views(luma, chroma, one_view(10, 5, 20, color=identity), 64, 64)[0, 0, 0]
    assert (wide - 120).abs().max() < 2
    assert narrow.std() > 30


def test_the_color_map_of_each_view_is_applied():
    luma, chroma = noise_planes(1)
    identity = np.concatenate([np.eye(3), np.zeros((3, 1))], 1)
    stored = crop_views(luma, chroma, one_view(0, 0, 50, color=identity), 10, 10)[0, 0]
    rgb = crop_views(luma, chroma, one_view(0, 0, 50, color=stored_to_rgb()), 10, 10)[0, 0]
    matrix = torch.tensor(stored_to_rgb(), dtype=torch.float32)
    expected = torch.einsum("cd,dthw->cthw", matrix[:, :3], stored) + matrix[:, 3, None, None, None]
    assert torch.allclose(rgb, expected, atol=1e-4)


def test_crops_look_where_directions_say():
    # Luma brightest in one direction: the view of that direction has its peak in the middle.
    azimuth_deg, elevation_deg = -130.0, 35.0
    views = replace(one_view(azimuth_deg, elevation_deg, 60))
    grid = equirect_grid(128, 256)
    glow = (grid @ views.directions[0, 0]).clamp(min=0) ** 40 * 200 + 16
    luma = glow.to(torch.uint8)[None, None]
    chroma = torch.full((1, 2, 1, 64, 128), 128, dtype=torch.uint8)
    view = crop_views(luma, chroma, views, 31, 31)[0, 0, 0, 0]
    rows, columns = torch.where(view >= view.max() - 1e-6)
    assert rows.float().mean() == pytest.approx(15, abs=1)
    assert columns.float().mean() == pytest.approx(15, abs=1)


@pytest.mark.parametrize("size", [20, 10, 5])
def test_pooled_views_stay_in_place(size):
    # Pooling by 1, 2 and 4: whatever it is, a ramp's value at a pixel's centre is kept.
    v, u = np.meshgrid(np.arange(128) + 0.5, np.arange(256) + 0.5, indexing="ij")
    luma = torch.from_numpy(v / 128 * 200 + 20).round().to(torch.uint8)[None, None]
    waves = np.sin(2 * np.pi * u[::2, ::2] / 256) * 90 + 128
    chroma = torch.from_numpy(waves).round().to(torch.uint8).expand(1, 2, 1, -1, -1).contiguous()
    identity = np.concatenate([np.eye(3), np.zeros((3, 1))], 1)
    views = one_view(-70, 20, 60, color=identity)
    y, cb, _ = crop_views(luma, chroma, views, size, size)[0, 0, :, 0]
    angles = (views.azimuth, views.elevation, views.hfov)
    uv = direction_to_equirect(view_grid(*angles, size, size))[0, 0]
    assert torch.allclose(y, uv[..., 1] * 200 + 20, atol=1.0)
    # Left-sited chroma was drawn as such: its pixel 0 lies on luma's pixel 0.
    assert torch.allclose(cb, torch.sin(2 * math.pi * uv[..., 0]) * 90 + 128, atol=1.5)

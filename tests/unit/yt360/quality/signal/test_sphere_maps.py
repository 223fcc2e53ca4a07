"""Maps on the sphere keep their means, and turn with the sphere."""

import numpy as np
import pytest

from yt360.quality.signal.sphere_maps import (
    AZIMUTHS,
    COLUMNS,
    ELEVATIONS,
    ROWS,
    SOLID_ANGLES,
    cell_means,
    density,
    mean,
    quantile,
    smoothed,
    values_at,
)


@pytest.fixture
def maps() -> np.ndarray:
    return np.random.default_rng(0).exponential(size=(3, ROWS, COLUMNS))


@pytest.mark.parametrize("size", [(ROWS, COLUMNS), (96, 192), (288, 576), (97, 101), (20, 40)])
def test_cells_are_means_of_an_image_of_any_size(size: tuple[int, int]) -> None:
    rows, columns = np.indices(size)
    image = 3.0 + (rows + 0.5) / size[0] + 2 * (columns + 0.5) / size[1]
    centres = 3.0 + (np.arange(ROWS)[:, None] + 0.5) / ROWS + 2 * (np.arange(COLUMNS) + 0.5) / 72
    # Pixels that are larger than cells are constant within.
    assert np.abs(cell_means(image) - centres).max() < max(0.5 / size[0] + 1 / size[1], 1e-6)
    assert cell_means(image).mean() == pytest.approx(image.mean(), rel=1e-5)


def test_smoothing_keeps_means_and_turns_with_the_map(maps: np.ndarray) -> None:
    soft = smoothed(maps, 0.2)
    assert mean(soft) == pytest.approx(mean(maps))
    assert np.allclose(smoothed(np.roll(maps, 7, axis=2), 0.2), np.roll(soft, 7, axis=2))
    assert np.allclose(smoothed(maps[:, ::-1], 0.2), soft[:, ::-1])
    assert soft.std() < maps.std() / 3


def test_a_smoothed_point_is_the_von_mises_fisher_density() -> None:
    point = np.zeros((1, ROWS, COLUMNS))
    point[0, 17, 36] = 1 / SOLID_ANGLES[17, 36]
    width = 0.25
    found = smoothed(point, width)[0, 17]
    turn = AZIMUTHS - AZIMUTHS[36]
    cosine = np.sin(ELEVATIONS[17]) ** 2 + np.cos(ELEVATIONS[17]) ** 2 * np.cos(turn)
    assert found == pytest.approx(2 / width**2 * np.exp((cosine - 1) / width**2), rel=0.02)


def test_values_are_interpolated_across_the_seam(maps: np.ndarray) -> None:
    index = np.array([0, 5, 71])
    found = values_at(maps, AZIMUTHS[index], ELEVATIONS[[3, 20, 35]])
    assert found == pytest.approx(maps[[0, 1, 2], [3, 20, 35], index])
    behind = values_at(maps, np.full(3, np.pi), np.full(3, ELEVATIONS[9]))
    assert behind == pytest.approx((maps[:, 9, 0] + maps[:, 9, -1]) / 2)
    assert values_at(maps, np.full(3, -np.pi), np.full(3, ELEVATIONS[9])) == pytest.approx(behind)


def test_quantiles_and_densities_count_solid_angles() -> None:
    northern = np.zeros((1, ROWS, COLUMNS))
    northern[0, : ROWS // 3] = 1  # above 30°, a quarter of the sphere
    assert mean(northern) == pytest.approx(0.25, abs=1e-6)
    assert (quantile(northern, 0.74)[0], quantile(northern, 0.76)[0]) == (0, 1)
    assert density(northern).max() == pytest.approx(4)
    assert (density(0 * northern) == 1).all()

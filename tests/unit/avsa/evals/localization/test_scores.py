"""Hits, errors, and what guessing attains."""

from __future__ import annotations

import math

import pytest
import torch

from avsa.evals.localization.scores import NO_PEAK_DEG, Located, chance, measure
from yt360.sphere import direction


def at(azimuth_deg, elevation_deg=0.0):
    angles = [torch.tensor(math.radians(a), dtype=torch.float64)
              for a in (azimuth_deg, elevation_deg)]  # fmt: skip
    return tuple(direction(*angles).tolist())


@pytest.mark.parametrize("radius_deg", [5, 20, 60])
def test_the_chance_of_one_source_is_the_area_of_a_cap(radius_deg):
    cap = (1 - math.cos(math.radians(radius_deg))) / 2
    hits, error_deg = chance([at(30, 50)], radius_deg)
    assert hits == pytest.approx(cap, rel=1e-2, abs=1e-4)
    assert error_deg == pytest.approx(90, abs=0.01)
    apart, _ = chance([at(0), at(170, 10)], min(radius_deg, 60))
    assert apart == pytest.approx(2 * cap, rel=1e-2, abs=1e-4)


def test_chance_equals_random_directions():
    sources = [at(0), at(25, 10), at(-100, -60)]
    drawn = torch.randn(400_000, 3, dtype=torch.float64)
    drawn /= drawn.norm(dim=1, keepdim=True)
    apart = torch.rad2deg((drawn @ torch.tensor(sources).double().T).amax(1).acos())
    hits, error_deg = chance(sources, 20)
    assert hits == pytest.approx(float((apart <= 20).double().mean()), abs=1.5e-3)
    assert error_deg == pytest.approx(float(apart.mean()), abs=0.2)


def located(number, *, sources, **peaks):
    return Located(key=f"k{number}", video_id=f"v{number}", sources=sources,
                   peaks={"model": None, **peaks})  # fmt: skip


def test_the_nearest_source_counts_for_every_map():
    found = [
        located(0, sources=(at(0), at(90)), model=at(80), silent=at(180), energy=at(0, 19)),
        located(1, sources=(at(40),), model=at(40, 21), silent=None, energy=at(60, 0)),
    ]
    metrics, tables = measure(found, 20.0, 0)
    values = {name: round(each.value, 6) for name, each in metrics.items()}
    assert values["hits"] == 0.5 and values["error"] == 15.5
    assert values["hits_silent"] == 0 and values["error_silent"] == (90 + NO_PEAK_DEG) / 2
    assert values["hits_centre"] == 0.5 and values["error_centre"] == 20
    assert values["hits_energy"] == 1.0 and values["error_energy"] == 19.5
    assert "hits_swapped" not in metrics
    assert list(metrics)[:2] == ["hits", "error"]
    assert [row["hits"] for row in tables["videos"]] == [1, 0]
    assert [round(row["error_centre"]) for row in tables["videos"]] == [0, 40]
    cap = (1 - math.cos(math.radians(20))) / 2
    assert metrics["hits_silent"].chance == pytest.approx(1.5 * cap, rel=1e-2)


def test_a_control_that_some_clips_lack_is_measured_on_the_others():
    found = [
        located(0, sources=(at(0),), swapped=at(10)),
        located(1, sources=(at(0),)),
    ]
    metrics, tables = measure(found, 20.0, 0)
    assert metrics["error_swapped"].value == pytest.approx(10)
    assert [row["hits_swapped"] for row in tables["videos"]] == [1, None]

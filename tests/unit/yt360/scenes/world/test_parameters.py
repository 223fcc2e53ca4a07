from __future__ import annotations

import pytest
from helpers.errors import user_error

from yt360.scenes.world.parameters import PRESETS, SceneFormat, SceneParameters, choose_parameters


@pytest.mark.parametrize(
    ("changes", "code", "key"),
    [
        ({"sources": (3, 2)}, "conflict", "sources"),
        ({"sources": (0, 2)}, "out-of-range", "sources.0"),
        ({"distractors": (0, 99)}, "out-of-range", "distractors.1"),
        ({"max_elevation_deg": 91.0}, "out-of-range", "max_elevation_deg"),
        ({"still_fraction": 1.5}, "out-of-range", "still_fraction"),
        ({"noise_db": 300.0}, "out-of-range", "noise_db"),
        ({"noise_db": float("nan")}, "out-of-range", "noise_db"),
        ({"reverberation_s": (0.0, 9.0)}, "out-of-range", "reverberation_s.1"),
        ({"places": ("medow",)}, "unknown-name", "places.0"),
        ({"places": ()}, "invalid", "places"),
        ({"ambience_cue": True}, "conflict", ""),
    ],
)
def test_parameters_out_of_range_are_refused(changes: dict, code: str, key: str) -> None:
    with user_error(code, key):
        SceneParameters(**changes)


@pytest.mark.parametrize(
    ("changes", "code", "key"),
    [
        ({"width": 640, "height": 360}, "conflict", ""),
        ({"width": 322, "height": 161}, "invalid", "width"),
        ({"duration_s": 0.0}, "out-of-range", "duration_s"),
        ({"fps": 0}, "out-of-range", "fps"),
        ({"sample_rate_hz": 8000}, "out-of-range", "sample_rate_hz"),
        ({"segmentation_fps": 30.0}, "conflict", ""),
        ({"crf": 99}, "out-of-range", "crf"),
    ],
)
def test_formats_out_of_range_are_refused(changes: dict, code: str, key: str) -> None:
    with user_error(code, key):
        SceneFormat(**changes)


def test_texts_change_parameters() -> None:
    changed = choose_parameters(
        "default",
        [
            "sources=1-4",
            "distractors=2",
            "noise_db=none",
            "ambience_db=-6.5",
            "ambience_cue=true",
            "reverberation_s=0.2-0.5",
            "places=sea, hall",
            "speed_deg_per_s=5",
        ],
    )
    assert changed.sources == (1, 4)
    assert changed.distractors == (2, 2)
    assert changed.noise_db is None
    assert changed.ambience_db == -6.5
    assert changed.ambience_cue is True
    assert changed.reverberation_s == (0.2, 0.5)
    assert changed.places == ("sea", "hall")
    assert changed.speed_deg_per_s == 5.0


@pytest.mark.parametrize(
    ("text", "code", "key"),
    [
        ("sources", "invalid", "sources"),
        ("source=2", "unknown-name", "source"),
        ("still_share=0.5", "unknown-name", "still_share"),
        ("sources=many", "invalid", "sources.0"),
        ("sources=one-two", "invalid", "sources.0"),
        ("noise_db=loud", "invalid", "noise_db"),
        ("ambience_cue=yes", "invalid", "ambience_cue"),
        ("speed_deg_per_s=", "invalid", "speed_deg_per_s"),
        ("sources=1-11", "out-of-range", "sources.1"),
        ("places=medow", "unknown-name", "places.0"),
    ],
)
def test_unreadable_changes_are_refused(text: str, code: str, key: str) -> None:
    with user_error(code, key):
        choose_parameters("default", [text])


def test_an_unknown_preset_is_refused() -> None:
    with user_error("unknown-name", "preset"):
        choose_parameters("hrd")


def test_presets_grow_harder() -> None:
    easy, default, hard = (PRESETS[name] for name in ("easy", "default", "hard"))
    for gentle, tough in ((easy, default), (default, hard)):
        assert gentle.sources[1] < tough.sources[1]
        assert gentle.max_elevation_deg < tough.max_elevation_deg
        assert gentle.noise_db < tough.noise_db
        assert gentle.flashing_fraction > tough.flashing_fraction

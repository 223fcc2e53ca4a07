from __future__ import annotations

import pytest

from yt360.errors import UserError
from yt360.scenes.world.parameters import (
    PRESETS,
    SceneFormat,
    SceneParameters,
    choose_parameters,
    override,
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sources": (3, 2)}, "sources must be a range within 1 to 10.*not 3-2"),
        ({"sources": (0, 2)}, "sources must be a range within 1 to 10"),
        ({"distractors": (0, 99)}, "distractors must be a range within 0 to 10"),
        ({"max_elevation_deg": 91.0}, "max_elevation_deg must lie between 0 and 90, not 91"),
        ({"still_share": 1.5}, "still_share must lie between 0 and 1"),
        ({"noise_db": 300.0}, "noise_db must lie between -80 and 20"),
        ({"noise_db": float("nan")}, "noise_db must lie between"),
        ({"reverberation_s": (0.0, 9.0)}, "reverberation_s must be a range within 0 to 3"),
        ({"places": ("medow",)}, "unknown place 'medow'; did you mean 'meadow'"),
        ({"places": ()}, "places must name at least one of meadow"),
        ({"ambience_cue": True}, "ambience_cue needs an ambience: set ambience_db too"),
    ],
)
def test_parameters_out_of_range_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        SceneParameters(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 640, "height": 360}, "640x360 is not an equirectangular picture"),
        ({"width": 322, "height": 161}, "a multiple of 4"),
        ({"duration_s": 0.0}, "duration_s must lie between 0.25 and 3600"),
        ({"fps": 0}, "fps must lie between 1 and 120"),
        ({"sample_rate_hz": 8000}, "sample_rate_hz must lie between 24000"),
        ({"segmentation_fps": 30.0}, "segmentation_fps must lie between 0.1 and 16"),
        ({"crf": 99}, "crf must lie between 0 and 51"),
    ],
)
def test_formats_out_of_range_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        SceneFormat(**changes)


def test_texts_override_fields() -> None:
    changed = override(
        PRESETS["default"],
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
    ("text", "message"),
    [
        ("sources", "'sources' is not of the form name=value"),
        ("source=2", "unknown scene parameter 'source'; did you mean 'sources'"),
        ("sources=many", "sources='many' cannot be read; write a number or a range such as 2-3"),
        ("noise_db=loud", "noise_db='loud' cannot be read; write none or a number"),
        ("ambience_cue=yes", "write true or false"),
        ("speed_deg_per_s=", "write a number such as 20.0"),
        ("sources=1-11", "sources must be a range within 1 to 10"),
    ],
)
def test_unreadable_overrides_are_refused(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        override(PRESETS["default"], [text])


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown preset 'hrd'; did you mean 'hard'"):
        choose_parameters("hrd")


def test_presets_grow_harder() -> None:
    easy, default, hard = (PRESETS[name] for name in ("easy", "default", "hard"))
    for gentle, tough in ((easy, default), (default, hard)):
        assert gentle.sources[1] < tough.sources[1]
        assert gentle.max_elevation_deg < tough.max_elevation_deg
        assert gentle.noise_db < tough.noise_db
        assert gentle.flashing_share > tough.flashing_share

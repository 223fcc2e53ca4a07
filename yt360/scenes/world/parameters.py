"""What decides how hard scenes are, and what their files look like: two frozen dataclasses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from yt360.errors import UserError, did_you_mean

PLACES = ("meadow", "desert", "snow", "city", "sea", "hall")
MAX_OBJECTS = 10


def _check_range(name: str, value: tuple[float, float], low: float, high: float) -> None:
    if len(value) != 2 or not low <= value[0] <= value[1] <= high:
        raise UserError(
            f"{name} must be a range within {low} to {high}, smaller number first, not "
            f"{'-'.join(str(part) for part in value)}"
        )


def _check_number(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UserError(f"{name} must lie between {low} and {high}, not {value}")


@dataclass(frozen=True, kw_only=True)
class SceneParameters:
    """Difficulty of scenes. Ranges are inclusive; levels are relative to one source's W channel.

    Attributes:
        sources: Fewest and most sounding objects, all of different classes.
        distractors: Fewest and most silent objects of classes that never sound.
        lookalikes: Fewest and most silent objects with the look of a sounding class, which may
            also be the class of a source in the same scene.
        max_elevation_deg: Objects' centres stay within ± this elevation.
        radius_deg: Smallest and largest angular radius of an object.
        speed_deg_per_s: No object moves faster than this.
        still_share: Probability that an object does not move.
        flashing_share: Probability that a source pulses and glows with the onsets of its sound.
        level_spread_db: Sources' levels are uniform within ± this.
        noise_db: Level of decorrelated isotropic noise, or None for none.
        reverberation_s: Smallest and largest reverberation time (RT60); (0, 0) is dry.
        ambience_db: Level of an isotropic ambience with a colour of its own, or None for none.
        ambience_cue: Whether the ambience's colour is a function of the visible background, so
            that it tells which picture belongs to which sound without any use of space.
        places: Backgrounds to choose from.
    """

    sources: tuple[int, int] = (2, 3)
    distractors: tuple[int, int] = (0, 2)
    lookalikes: tuple[int, int] = (0, 0)
    max_elevation_deg: float = 30.0
    radius_deg: tuple[float, float] = (11.0, 16.0)
    speed_deg_per_s: float = 20.0
    still_share: float = 0.3
    flashing_share: float = 0.5
    level_spread_db: float = 3.0
    noise_db: float | None = -20.0
    reverberation_s: tuple[float, float] = (0.0, 0.0)
    ambience_db: float | None = None
    ambience_cue: bool = False
    places: tuple[str, ...] = PLACES

    def __post_init__(self) -> None:
        _check_range("sources", self.sources, 1, MAX_OBJECTS)
        for name in ("distractors", "lookalikes"):
            _check_range(name, getattr(self, name), 0, MAX_OBJECTS)
        _check_range("radius_deg", self.radius_deg, 2, 40)
        _check_range("reverberation_s", self.reverberation_s, 0, 3)
        _check_number("max_elevation_deg", self.max_elevation_deg, 0, 90)
        _check_number("speed_deg_per_s", self.speed_deg_per_s, 0, 180)
        _check_number("level_spread_db", self.level_spread_db, 0, 20)
        for name in ("still_share", "flashing_share"):
            _check_number(name, getattr(self, name), 0, 1)
        for name in ("noise_db", "ambience_db"):
            if getattr(self, name) is not None:
                _check_number(name, getattr(self, name), -80, 20)
        if not self.places:
            raise UserError(f"places must name at least one of {', '.join(PLACES)}")
        for place in self.places:
            if place not in PLACES:
                raise UserError(f"unknown place {place!r}{did_you_mean(place, PLACES)}")
        if self.ambience_cue and self.ambience_db is None:
            raise UserError("ambience_cue needs an ambience: set ambience_db too, such as -6")


PRESETS = {
    "easy": SceneParameters(
        sources=(1, 2),
        distractors=(0, 1),
        max_elevation_deg=15.0,
        speed_deg_per_s=10.0,
        still_share=0.5,
        flashing_share=1.0,
        noise_db=-30.0,
    ),
    "default": SceneParameters(),
    "hard": SceneParameters(
        sources=(3, 4),
        distractors=(1, 3),
        lookalikes=(0, 2),
        max_elevation_deg=50.0,
        speed_deg_per_s=40.0,
        still_share=0.2,
        flashing_share=0.25,
        level_spread_db=5.0,
        noise_db=-12.0,
        reverberation_s=(0.3, 0.8),
        ambience_db=-6.0,
        ambience_cue=True,
    ),
}


@dataclass(frozen=True, kw_only=True)
class SceneFormat:
    """What the files of a scene look like; it does not change what happens in the scene.

    Attributes:
        duration_s: Length of picture and sound.
        width: Columns of the equirectangular picture, a multiple of 4.
        height: Rows: half the columns.
        fps: Frames per second; frame k shows the moment k / fps.
        sample_rate_hz: Of the sound.
        segmentation_fps: Class maps per second in the truth file.
        crf: Quality of the H.264 encoding; smaller is better and larger.
    """

    duration_s: float = 10.0
    width: int = 640
    height: int = 320
    fps: int = 16
    sample_rate_hz: int = 24000
    segmentation_fps: float = 4.0
    crf: int = 20

    def __post_init__(self) -> None:
        _check_number("duration_s", self.duration_s, 0.25, 3600)
        if self.width != 2 * self.height or self.width % 4 or not 64 <= self.width <= 7680:
            raise UserError(
                f"size {self.width}x{self.height} is not an equirectangular picture: the width "
                "must be twice the height, a multiple of 4, from 64 to 7680, such as 640x320"
            )
        _check_number("fps", self.fps, 1, 120)
        _check_number("sample_rate_hz", self.sample_rate_hz, 24000, 192000)
        _check_number("segmentation_fps", self.segmentation_fps, 0.1, self.fps)
        _check_number("crf", self.crf, 0, 51)

    @property
    def num_frames(self) -> int:
        """Frames of the picture."""
        return round(self.duration_s * self.fps)

    @property
    def num_samples(self) -> int:
        """Samples of the sound: as long as the picture."""
        return round(self.num_frames / self.fps * self.sample_rate_hz)


def choose_parameters(preset: str, assignments: Sequence[str] = ()) -> SceneParameters:
    """Return a preset with some fields replaced by texts such as ``"sources=2-3"``.

    Raises:
        UserError: An unknown preset, or what `override` raises.
    """
    if preset not in PRESETS:
        raise UserError(f"unknown preset {preset!r}{did_you_mean(preset, PRESETS)}")
    return override(PRESETS[preset], assignments)


def override(parameters: SceneParameters, assignments: Sequence[str]) -> SceneParameters:
    """Return `parameters` with fields replaced by texts such as ``"sources=2-3"``.

    Ranges are written ``A-B`` or one number, lists with commas, a missing level as ``none``, and
    flags as ``true`` or ``false``.

    Raises:
        UserError: An unknown name, a text that is not of the field's type, or a value out of range.
    """
    known = [field.name for field in fields(SceneParameters)]
    changes: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise UserError(f"{assignment!r} is not of the form name=value, such as sources=2-3")
        if name not in known:
            raise UserError(f"unknown scene parameter {name!r}{did_you_mean(name, known)}")
        changes[name] = _parse(name, text.strip(), getattr(PRESETS["default"], name))
    return replace(parameters, **changes)


def to_dict(value: SceneParameters | SceneFormat) -> dict[str, Any]:
    """Return fields as JSON values, tuples as lists."""
    return {
        name: list(item) if isinstance(item, tuple) else item
        for name, item in asdict(value).items()
    }


def _parse(name: str, text: str, like: Any) -> Any:
    """Read `text` as a value of the same kind as the default value `like`."""
    try:
        if name in ("noise_db", "ambience_db"):
            return None if text.lower() == "none" else float(text)
        if isinstance(like, bool):
            return {"true": True, "false": False}[text.lower()]
        if name == "places":
            return tuple(part.strip() for part in text.split(","))
        if isinstance(like, tuple):
            low, _, high = text.partition("-")
            kind = type(like[0])
            return kind(low), kind(high or low)
        return type(like)(text)
    except (ValueError, KeyError):
        shown = "none or a number" if name.endswith("_db") else _example(like)
        raise UserError(f"{name}={text!r} cannot be read; write {shown}") from None


def _example(like: Any) -> str:
    if isinstance(like, bool):
        return "true or false"
    if isinstance(like, tuple):
        return f"a number or a range such as {like[0]}-{like[1]}"
    return f"a number such as {like}"

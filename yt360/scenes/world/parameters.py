"""Parameters that scenes are sampled from, and the format of their files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field

from yt360.clips import DEFAULT_CLIP_S
from yt360.config import config_class, conflict, from_mapping, to_mapping
from yt360.errors import UserError, did_you_mean

MAX_OBJECTS = 10


def _ascending(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise conflict(f"{limits[0]}-{limits[1]} is not a range; give the smaller number first")
    return limits


RANGE = AfterValidator(_ascending)
Count = Annotated[int, Field(ge=0, le=MAX_OBJECTS)]
SourceCount = Annotated[int, Field(ge=1, le=MAX_OBJECTS)]
Radius = Annotated[float, Field(ge=2, le=40)]
Reverberation = Annotated[float, Field(ge=0, le=3)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Level = Annotated[float, Field(ge=-80, le=20)]
PlaceName = Literal["meadow", "desert", "snow", "city", "sea", "hall"]
PLACES: tuple[PlaceName, ...] = get_args(PlaceName)
PoolName = Literal["all", "train", "test"]


@config_class
class SceneParameters:
    """The difficulty of scenes. Ranges are inclusive; levels are relative to a source's W."""

    sources: Annotated[tuple[SourceCount, SourceCount], RANGE] = (2, 3)
    """Smallest and largest number of sound sources, all of different classes."""
    distractors: Annotated[tuple[Count, Count], RANGE] = (0, 2)
    """Smallest and largest number of silent objects of classes that never sound."""
    lookalikes: Annotated[tuple[Count, Count], RANGE] = (0, 0)
    """Smallest and largest number of silent objects of classes that can sound. Their classes may
    also be those of sources in the same scene."""
    max_elevation_deg: Annotated[float, Field(ge=0, le=90)] = 30.0
    """The centres of objects stay within ± this elevation."""
    radius_deg: Annotated[tuple[Radius, Radius], RANGE] = (11.0, 16.0)
    """Smallest and largest angular radius of an object."""
    speed_deg_per_s: Annotated[float, Field(ge=0, le=180)] = 20.0
    """Maximum speed of objects."""
    still_fraction: Fraction = 0.3
    """Probability that an object does not move."""
    flashing_fraction: Fraction = 0.5
    """Probability that a source grows and glows with the onsets of its audio."""
    level_spread_db: Annotated[float, Field(ge=0, le=20)] = 3.0
    """The levels of sources are uniform within ± this."""
    noise_db: Level | None = -20.0
    """Level of isotropic noise; None for none."""
    reverberation_s: Annotated[tuple[Reverberation, Reverberation], RANGE] = (0.0, 0.0)
    """Smallest and largest reverberation time (RT60); (0, 0) is dry."""
    ambience_db: Level | None = None
    """Level of an isotropic ambience with a spectrum of its own; None for none."""
    ambience_cue: bool = False
    """Whether the spectrum of the ambience is a function of the visible background. If so, clips
    can be told apart without spatial cues."""
    places: Annotated[tuple[PlaceName, ...], Field(min_length=1)] = PLACES
    """Backgrounds to choose from."""
    pool: PoolName = "all"
    """Where looks, voices, places, rooms and ambiences are drawn from. all: each scene has new
    ones; train, test: disjoint pools, so scenes of the two share nothing beyond the classes and the
    kinds of places (`yt360.scenes.world.pools`)."""
    instances: Annotated[int, Field(ge=1, le=10**6)] = 64
    """Number of looks and voices of each class, and of places, rooms and ambiences of each kind, in
    the pools train and test."""

    def __post_init__(self) -> None:
        if self.ambience_cue and self.ambience_db is None:
            raise conflict("ambience_cue needs an ambience; set ambience_db too, such as -6")


PRESETS = {
    "easy": SceneParameters(
        sources=(1, 2),
        distractors=(0, 1),
        max_elevation_deg=15.0,
        speed_deg_per_s=10.0,
        still_fraction=0.5,
        flashing_fraction=1.0,
        noise_db=-30.0,
    ),
    "default": SceneParameters(),
    "hard": SceneParameters(
        sources=(3, 4),
        distractors=(1, 3),
        lookalikes=(0, 2),
        max_elevation_deg=50.0,
        speed_deg_per_s=40.0,
        still_fraction=0.2,
        flashing_fraction=0.25,
        level_spread_db=5.0,
        noise_db=-12.0,
        reverberation_s=(0.3, 0.8),
        ambience_db=-6.0,
        ambience_cue=True,
    ),
    "claims": SceneParameters(
        sources=(2, 3),
        distractors=(0, 2),
        lookalikes=(0, 1),
        max_elevation_deg=25.0,
        radius_deg=(14.0, 20.0),
        noise_db=-30.0,
        reverberation_s=(0.1, 0.2),
        ambience_db=-22.0,
        ambience_cue=True,
    ),
}
RENAMED = {"still_share": "still_fraction", "flashing_share": "flashing_fraction"}
"""Former name of a parameter -> present name."""
ADDED = ("pool", "instances")
"""Parameters that former versions did not have."""


@config_class
class SceneFormat:
    """The format of a scene's files, which does not affect its content."""

    duration_s: Annotated[float, Field(ge=0.25, le=3600)] = float(DEFAULT_CLIP_S)
    """Length of video and audio in seconds."""
    width: Annotated[int, Field(ge=64, le=7680, multiple_of=4)] = 640
    """Columns of the equirectangular frames."""
    height: int = 320
    """Rows of the frames: half the columns."""
    fps: Annotated[int, Field(ge=1, le=120)] = 16
    """Frames per second; frame k shows the time k / fps."""
    sample_rate_hz: Annotated[int, Field(ge=24000, le=192000)] = 24000
    """Sample rate of the audio."""
    segmentation_fps: Annotated[float, Field(ge=0.1)] = 4.0
    """Class maps per second in the ground-truth file, at most `fps`."""
    crf: Annotated[int, Field(ge=0, le=51)] = 20
    """Constant rate factor of x264; smaller is better and larger."""

    def __post_init__(self) -> None:
        if self.width != 2 * self.height:
            raise conflict(
                f"size {self.width}x{self.height} is not equirectangular; the width must be twice "
                "the height, such as 640x320"
            )
        if self.segmentation_fps > self.fps:
            raise conflict(
                f"segmentation_fps is {self.segmentation_fps:g}; give at most fps ({self.fps})"
            )

    @property
    def num_frames(self) -> int:
        """Number of video frames."""
        return round(self.duration_s * self.fps)

    @property
    def num_samples(self) -> int:
        """Number of audio samples, which last as long as the frames."""
        return round(self.num_frames / self.fps * self.sample_rate_hz)


def described(parameters: SceneParameters) -> dict[str, Any]:
    """Return parameters as plain values, as the description of a folder holds them.

    Parameters that former versions did not have are left out if they have their defaults, so the
    description of the same scenes is the same in all versions.
    """
    values, defaults = to_mapping(parameters), to_mapping(SceneParameters())
    return {k: v for k, v in values.items() if k not in ADDED or v != defaults[k]}


def choose_parameters(preset: str, assignments: Sequence[str] = ()) -> SceneParameters:
    """Return a preset with some parameters replaced by texts such as ``"sources=2-3"``.

    Ranges are written ``A-B`` or as one number, lists with commas, no level as ``none``.

    Raises:
        UserError: An unknown preset or parameter, or a value that is not allowed.
    """
    if preset not in PRESETS:
        raise UserError(
            f"unknown preset {preset!r}{did_you_mean(preset, PRESETS)}", "unknown-name", "preset"
        )
    values = to_mapping(PRESETS[preset])
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise UserError(
                f"{assignment!r} is not NAME=VALUE, such as sources=2-3", key=assignment
            )
        is_list = isinstance(values.get(name), list)
        values[name] = _parse_list(text) if is_list else _parse(text.strip())
    return from_mapping(SceneParameters, values, renamed=RENAMED.get)


def _parse_list(text: str) -> list[Any]:
    """Return both ends of a range, or the parts of a list."""
    low, dash, high = text.partition("-")
    if dash or not isinstance(_parse(low), str):
        return [_parse(low), _parse(high or low)]
    return [part.strip() for part in text.split(",")]


def _parse(text: str) -> Any:
    """Parse none, a flag or a number; other texts are returned unchanged."""
    words = {"none": None, "true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        return text

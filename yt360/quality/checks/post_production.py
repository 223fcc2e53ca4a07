"""Detect audio that was mixed over the recording.

In the recording of a microphone every source has a direction: where W has power, X, Y and Z have a
corresponding power (see `spatial_audio`). A voice-over or music is usually mixed into W alone, or
as stereo into W and Y. There are three kinds of evidence.

**Too little direction.** Tiles that the mix dominates have too much W. Reverberation and
interference change the ratio of single tiles by a few decibels in both directions, and that of two
consecutive tiles (half a second) by less, whereas a mix lowers it further. The gain of W differs by
several decibels between the octaves of a microphone, so tiles are compared with the median of their
octave.

**Speech without direction.** With a tagger that detects speech over time (`yt360.quality.speech`),
the power that speech adds is measured in windows (`yt360.quality.signal.added_sound`): in W alone,
or in W and Y alone. This finds voices below the level of the sound field. The voices of people at
the recording add power with a direction.

**Fixed to the head.** When the camera rotates, the sound field rotates with the image. A source
whose direction stays constant is fixed to the camera: it was mixed in, or it is the person who
holds the camera. The two cases are indistinguishable, so this criterion alone is never certain.

An audio tagger of the user may add evidence: the probabilities of music and narration.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from yt360.config import config_class
from yt360.media.layout.sound_field import NUM_BANDS, FieldSegment
from yt360.media.video.frame_triplets import FrameTriplet
from yt360.quality.checks import spatial_audio
from yt360.quality.checks.base import (
    AudioBlock,
    Capacity,
    Check,
    Count,
    Fraction,
    Number,
    Part,
    Positive,
)
from yt360.quality.listening import TAG, Listener, ListeningOptions
from yt360.quality.signal.camera_turns import CameraTurns
from yt360.quality.signal.statistics import weighted_quantile
from yt360.quality.signal.timeline import Timeline
from yt360.quality.speech import load_speech_tagger, weights_path
from yt360.quality.tagger import AudioTagger, load_tagger
from yt360.quality.verdict import Outcome, Verdict, judge, probability_above, unsure

NAME = "post-production"

Array = NDArray[np.float64]

# Columns of a band: power of W, power of X, Y and Z, power of Y, width.
_COLUMNS = 4


@config_class
class PostProductionConfig:
    """Thresholds of the post-production check; ratios are (X²+Y²+Z²)/W² in decibels."""

    needs: ClassVar[str] = "audio"
    rejects: ClassVar[bool] = False
    measurement: ClassVar[int] = 2
    measuring: ClassVar[tuple[str, ...]] = (
        "tagger", "speech", "most_windows", "excess_db", "least_field_db", "speech_probability",
        "least_speech_s", "rising_bands", "lateral_bands", "fraction", "least_turn",
        "least_directed", "direction_window_s", "active_range_db", "silent_dbfs", "least_width",
    )  # fmt: skip

    kind: str = NAME
    tagger: str | None = None
    """Import path of an audio tagger, ``package.module:name``."""
    speech: Literal["auto", "on", "off"] = "auto"
    """Whether to hear speech with silero-vad; ``"auto"``: if it is installed."""
    most_windows: Capacity = 24
    """Maximum number of windows of ten seconds that are listened to in one file, evenly spread."""

    # The ratio of an octave is steady within 1 dB in recordings, but low in all of it where music
    # plays all the time: then it is compared with 1.5 dB below a field.
    excess_db: Number = 3.0
    least_field_db: Number = -1.5
    # Usable recordings have at most 6 % of such half seconds, and one with a low octave 14 %; music
    # in W and Y at the level of the scene has 7 % and more. They count if they are in Y ...
    some_excess: Fraction = 0.062
    some_excess_softness: Positive = 0.01
    # ... where music has 0.44 and more of the remaining directional power, fields 0.37 and less,
    lateral_fraction: Fraction = 0.4
    lateral_softness: Positive = 0.04
    # ... or if what rises is in W alone: voices and music in W have -4.4 dB and less, recordings
    # with so many such half seconds -2.7 dB and more.
    added_db: Number = -3.7
    added_softness_db: Positive = 0.5

    # The network's own threshold: at most 2 % of the time in recordings without speech.
    speech_probability: Fraction = 0.5
    # Fewer moments do not determine slopes.
    least_speech_s: Number = 1.0
    # Of 13 thirds of an octave; in the others the field may be louder than the voice.
    rising_bands: Count = 6
    lateral_bands: Count = 5
    # A third of the speech may be narrated, and the rest that of people at the place.
    fraction: Fraction = 0.33
    # A voice-over speaks for a good part of the time; a single false alarm is about 2 %.
    least_speech_share: Fraction = 0.1
    speech_share_softness: Positive = 0.05
    # Narrations at the level of W have -5.9 and less. People at the recording, with the
    # reverberation and microphone of the place, have -3.9 and more, in halls with three seconds of
    # reverberation -4.5.
    speech_added_db: Number = -5.2
    speech_added_softness_db: Positive = 0.8
    # 4.3 degrees off the left-right axis. Stereo is within 3.5 degrees, voices from elsewhere are
    # off by 14 degrees, and those of people exactly at the left or right by 6 in most cases,
    # because of the floor and the walls.
    off_lateral: Number = 0.075
    off_lateral_softness: Positive = 0.015

    # Smaller turns are within the error of directions in reverberant rooms.
    least_turn: Number = 0.35
    least_turns: Number = 6.0
    least_directed: Number = 0.1
    direction_window_s: Positive = 1.0
    # The person who holds the camera rotates with it too; see above.
    fixed_certainty: Fraction = 0.75
    # AudioSet classes of studio audio.
    tags: tuple[str, ...] = (
        "Background music", "Theme music", "Jingle (music)", "Soundtrack music", "Video game music",
        "Narration, monologue",
    )  # fmt: skip
    tag_certainty: Fraction = 0.7
    active_range_db: Positive = 25.0
    silent_dbfs: Number = -85.0
    least_width: Number = 3.0
    least_tiles: Number = 6.0
    most_tiles: Capacity = 8192
    most_triplets: Capacity = 8192

    def build(self) -> PostProductionCheck:
        """Return the check; see `CheckConfig`."""
        return PostProductionCheck(self)

    @property
    def listening(self) -> ListeningOptions:
        """How windows are listened to."""
        names = ListeningOptions.__dataclass_fields__
        return ListeningOptions(**{name: getattr(self, name) for name in names})

    def judge(self, numbers: Mapping[str, float], earlier: Mapping[str, Verdict]) -> Verdict:
        """Return the verdict on audio that is a sound field; see `CheckConfig`."""
        if not _is_field(earlier):
            return unsure(NAME, "no-sound-field", "the audio is not a sound field")
        if numbers["tiles"] < self.least_tiles:
            return unsure(NAME, "too-little-sound", "there is too little audio to tell")
        # Of findings that are as good as equally probable, the first is the most specific.
        found = max(self._findings(numbers), key=lambda finding: round(finding[0], 2))
        probability, reason, detail = found
        return judge(NAME, probability, ("recorded", reason), detail)

    def _findings(self, numbers: Mapping[str, float]) -> Iterable[tuple[float, str, str]]:
        """Yield the probability, reason and detail of each way in which a mix shows."""
        yield from self._spoken(numbers)
        yield self._overlaid(numbers)
        for prefix, what in (("", "directions"), ("speech_", "directions of speech")):
            turns = numbers.get(f"{prefix}turns", 0.0)
            if turns >= self.least_turns:
                follows = numbers[f"{prefix}follows_picture"]
                yield (
                    self.fixed_certainty * probability_above(-follows, 0.0, 0.15),
                    "fixed-direction",
                    f"{what} ignore {turns:.0f} turns of the camera",
                )
        tagged = max((numbers.get(TAG + name, 0.0) for name in self.tags), default=0.0)
        yield self.tag_certainty * tagged, "tagged", "the audio tagger hears music or narration"

    def _overlaid(self, numbers: Mapping[str, float]) -> tuple[float, str, str]:
        share, added_db = numbers["excess_w_share"], numbers.get("added_db", 0.0)
        lateral = numbers["excess_lateral_share"]
        is_some = probability_above(share, self.some_excess, self.some_excess_softness)
        is_stereo = probability_above(lateral, self.lateral_fraction, self.lateral_softness)
        is_alone = probability_above(-added_db, -self.added_db, self.added_softness_db)
        return (
            is_some * max(is_stereo, is_alone),
            "stereo-overlay" if is_stereo > 0.5 else "w-overlay",
            f"{share:.1%} of the audio has too little direction for a sound field",
        )

    def _spoken(self, numbers: Mapping[str, float]) -> Iterable[tuple[float, str, str]]:
        if "speech_added_db" not in numbers:
            return
        share = numbers["speech_share"]
        speaks = probability_above(share, self.least_speech_share, self.speech_share_softness)
        added_db, off_axis = numbers["speech_added_db"], numbers["speech_off_lateral"]
        soft = self.speech_added_softness_db
        yield (
            speaks * probability_above(-added_db, -self.speech_added_db, soft),
            "voice-over",
            f"speech, {share:.0%} of the time, adds {-added_db:.1f} dB too little to X, Y and Z",
        )
        yield (
            speaks * probability_above(-off_axis, -self.off_lateral, self.off_lateral_softness),
            "stereo-voice-over",
            f"speech, {share:.0%} of the time, is in W and Y alone",
        )


def _is_field(earlier: Mapping[str, Verdict]) -> bool:
    spatial = earlier.get(spatial_audio.NAME)
    return (
        spatial is None
        or spatial.outcome is not Outcome.NOT_OK
        or spatial.reason in spatial_audio.CONVERTIBLE
    )


class PostProductionCheck(Check):
    """Accumulates tiles and windows of audio, and rotations of the camera."""

    config: PostProductionConfig

    def __init__(self, config: PostProductionConfig) -> None:
        self.config = config
        self._pairs = Timeline(config.most_tiles, NUM_BANDS * _COLUMNS)
        self._first_of_pair: Array | None = None
        self._camera = CameraTurns(
            config.least_turn,
            config.least_directed,
            config.direction_window_s,
            config.most_tiles,
            config.most_triplets,
        )
        self._listener = Listener(config.listening, _taggers(config))

    def begin_part(self, part: Part) -> None:
        """Start the next part; see `Check.begin_part`."""
        self._listener.begin_part(part)
        self._first_of_pair = None
        self._camera.begin_part(part.kind == "equirectangular")

    def add_audio(self, block: AudioBlock) -> None:
        """Listen to windows of the audio."""
        self._listener.feed(block)

    def add_field(self, ambix: FieldSegment, stored: FieldSegment) -> None:  # noqa: ARG002
        """Process the next tile of audio."""
        covariance = ambix.covariance
        power = np.real(np.einsum("bii->bi", covariance))
        total = power[:, 1:].sum(axis=1)
        self._add_to_pair(np.stack([power[:, 0], total, power[:, 1], ambix.width], 1).reshape(-1))
        # Division by the power of W weights bands by their directivity instead of their level.
        intensity = covariance[:, 0, [3, 1]].real / (power[:, :1] + 1e-12)
        x, y = intensity.sum(axis=0) / NUM_BANDS
        self._camera.add_direction(ambix.start_s + ambix.duration_s / 2, x, y)

    def add_frames(self, frames: FrameTriplet) -> None:
        """Measure the rotation of the camera."""
        self._camera.add_frames(frames)

    def measure(self) -> dict[str, float]:
        """Return what all input so far shows of a mix; see `Check.measure`."""
        numbers = self._excess()
        if not numbers["tiles"]:
            return numbers
        directions = self._camera.directions
        numbers |= self._camera.followed_by(directions)
        numbers |= self._listener.numbers()
        if self._listener.hears_speech:
            spoken = directions[self._listener.is_speech(directions[:, 0])]
            follows = self._camera.followed_by(spoken)
            numbers |= {f"speech_{name}": value for name, value in follows.items()}
        return numbers

    def _add_to_pair(self, row: Array) -> None:
        if self._first_of_pair is None:
            self._first_of_pair = row
        else:
            self._pairs.add((self._first_of_pair + row) / 2)
            self._first_of_pair = None

    def _excess(self) -> dict[str, float]:
        """Return the fraction of loud pairs with too much W, and their lateral energy."""
        t = self.config
        rows = self._pairs.rows.reshape(-1, NUM_BANDS, _COLUMNS).astype(np.float64)
        if not len(rows):
            return {"tiles": 0.0}
        level = 10 * np.log10(rows[:, :, :2].sum(axis=2) + 1e-15)
        floor = np.maximum(np.quantile(level, 0.95, axis=0) - t.active_range_db, t.silent_dbfs)
        weight = np.clip((level - floor) / (t.active_range_db / 2), 0, 1)
        weight *= rows[:, :, 3] >= t.least_width
        ratio_db = 10 * np.log10((rows[:, :, 1] + 1e-15) / (rows[:, :, 0] + 1e-15))
        total = float(weight.sum())
        if total == 0:
            return {"tiles": 0.0}
        excess = np.zeros_like(weight, dtype=bool)
        for band in np.flatnonzero(weight.any(axis=0)):
            own_db = weighted_quantile(ratio_db[:, band], weight[:, band], 0.5)
            excess[:, band] = ratio_db[:, band] < max(own_db, t.least_field_db) - t.excess_db
        lateral, directed = (weight * excess)[..., None].reshape(-1), rows.reshape(-1, _COLUMNS)
        power = directed[:, :3] / (directed[:, :2].sum(axis=1, keepdims=True) + 1e-15)
        return {
            "tiles": total,
            "excess_w_share": float((weight * excess).sum()) / total,
            "excess_lateral_share": float(
                (lateral * power[:, 2]).sum() / ((lateral * power[:, 1]).sum() + 1e-9)
            ),
        }


def _taggers(config: PostProductionConfig) -> list[AudioTagger]:
    hears_speech = config.speech == "on" or (config.speech == "auto" and weights_path() is not None)
    taggers: list[AudioTagger] = [load_speech_tagger()] if hears_speech else []
    return taggers + ([load_tagger(config.tagger)] if config.tagger else [])

"""All tests on one recording: each stream is decoded once, in little memory.

Sound is read in full, a second at a time; of the picture a few small probes are decoded (see
`frames`). A recording may lie in several files (sections of a long video): they are fed to the
same tests one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yt360.errors import BadItem
from yt360.media.audio.reader import AudioReader
from yt360.media.audio.selection import AudioSelection, select_audio
from yt360.media.containers.tracks import undecodable
from yt360.media.info import AudioStream, MediaInfo, VideoStream
from yt360.media.layout.sound_field import FieldAnalyzer
from yt360.media.layout.warnings import LayoutWarning
from yt360.media.pairing import audio_files_beside
from yt360.media.source import check_whole
from yt360.media.video.frame_triplets import read_frame_triplets
from yt360.quality.checks import spatial_audio
from yt360.quality.checks.clipping import ClippingTest
from yt360.quality.checks.duration import duration_verdict
from yt360.quality.checks.post_production import PostProductionTest
from yt360.quality.checks.projection import projection_verdict
from yt360.quality.checks.silence import SilenceTest, silence_verdict
from yt360.quality.checks.spatial_audio import SpatialAudioTest
from yt360.quality.checks.still_image import StillImageTest
from yt360.quality.checks.video import PictureTest
from yt360.quality.signal.series import DirectionSeries
from yt360.quality.streams import check_finite, span_of, tested_format
from yt360.quality.tagger import AudioTagger, TagMeans
from yt360.quality.thresholds import DEFAULTS, Thresholds
from yt360.quality.verdict import Outcome, Verdict, judge


@dataclass(frozen=True, kw_only=True)
class InspectOptions:
    """How recordings are inspected.

    Attributes:
        audio_layout: What the channels are, when that is known better than from the file.
        projection: The same for the picture.
        tagger: Listens to W, if there is one.
        thresholds: Of all tests.
    """

    audio_layout: str | None = None
    projection: str = "auto"
    tagger: AudioTagger | None = None
    thresholds: Thresholds = DEFAULTS


@dataclass
class Part:
    """What was found in one pair of files.

    Attributes:
        start_s: Second of the video at time 0 of the files.
        covered_s: Begin and end of what both picture and sound cover, in seconds of the files.
        silence: Levels of W by second of the files; None without sound.
    """

    start_s: float
    covered_s: tuple[float, float] = (0.0, 0.0)
    silence: SilenceTest | None = None


@dataclass
class Inspection:
    """What all tests say of a recording.

    Attributes:
        name: What it is called.
        verdicts: By name of the test; tests that have nothing to look at are missing.
        parts: One for each pair of files.
        directions: Horizontal sound field over time.
        motion: Rows (time in seconds of the video, changed part of the picture).
        layout: Name of the channel layout that the sound is stored in; empty without sound.
        audio_choices: Which audio was chosen and which was not, for each part with a companion.
        warnings: What speaks against the layout that the sound is taken for.
    """

    name: str
    verdicts: dict[str, Verdict]
    parts: list[Part]
    directions: DirectionSeries
    motion: NDArray[np.float32]
    layout: str
    audio_choices: tuple[str, ...] = ()
    warnings: tuple[LayoutWarning, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether no test says no."""
        return all(v.outcome is not Outcome.NOT_OK for v in self.verdicts.values())


def inspect_file(
    path: Path, sound: Path | None = None, options: InspectOptions | None = None
) -> Inspection:
    """Run all tests on one file.

    Args:
        path: A media file.
        sound: File with its spatial sound. By default the files of the same name beside it are
            candidates, as in ``build-shards``: see `yt360.media.audio.selection`.
        options: See there.

    Raises:
        BadItem: It is no media file, or cannot be decoded; ``"no-video"`` when `sound` is given for
            a file without a picture.
    """
    inspector = Inspector(path.name, options)
    if sound is not None:
        inspector.add(path, (sound,), stated_companion=True)
    else:
        inspector.add(path, audio_files_beside(path))
    return inspector.finish()


class Inspector:
    """Feeds files to all tests.

    Args:
        name: What the recording is called.
        options: See there.
    """

    def __init__(self, name: str, options: InspectOptions | None = None) -> None:
        self.name = name
        self.options = options or InspectOptions()
        t = self.options.thresholds
        self._spatial = SpatialAudioTest(t.spatial_audio)
        self._post_production = PostProductionTest(t.post_production)
        self._picture = PictureTest(t.picture)
        self._still: StillImageTest | None = None
        self._clipping: ClippingTest | None = None
        self._tags: TagMeans | None = None
        self._projections: list[Verdict] = []
        self._durations: list[Verdict] = []
        self._layouts: list[str] = []
        self._audio_choices: list[str] = []
        self._warnings: list[LayoutWarning] = []
        self._refusal: Verdict | None = None
        self._directions = DirectionSeries()
        self._parts: list[Part] = []

    def add(
        self,
        video: Path,
        audio_files: Sequence[Path] = (),
        start_s: float = 0.0,
        *,
        is_section: bool = False,
        stated_companion: bool = False,
    ) -> None:
        """Look at a file and listen to the audio that is chosen from it and its audio_files.

        Args:
            video: File with the picture (or only sound).
            audio_files: Files that may hold the spatial sound, too.
            start_s: Second of the whole video at time 0 of the files.
            is_section: Whether it was cut out of a longer file; then picture and sound begin and
                end where the coding allowed, and differences in that tell nothing.
            stated_companion: Whether the video's own audio is no candidate.

        Raises:
            BadItem: A file is no media file, or its picture cannot be decoded; ``"no-video"`` when
                there is sound for a file without a picture.
        """
        choice = select_audio(
            video,
            audio_files,
            audio_layout=self.options.audio_layout,
            use_own=not stated_companion,
        )
        check_whole(choice.video)
        check_whole(choice.info)
        stream, shown = choice.stream, choice.video.main_video
        if shown is None:
            _check_is_sound_alone(choice.video, audio_files)
        self._note_choice(choice)
        streams = [each for each in (shown, stream) if each is not None]
        covered_s = (max(s.start_s for s in streams), min(s.end_s for s in streams))
        part = Part(start_s, covered_s)
        self._post_production.begin_part()
        if stream is not None:
            self._listen(choice.info.path, stream, part)
        if shown is not None:
            self._look(video, shown, stream, part)
        if shown is not None and not is_section:
            self._durations.append(
                duration_verdict(span_of(shown), span_of(stream), self.options.thresholds.duration)
            )
        self._parts.append(part)

    def finish(self) -> Inspection:
        """Return the verdicts on everything that was added."""
        verdicts: list[Verdict] = []
        if self._layouts:
            spatial = self._refusal or self._spatial.verdict()
            verdicts.append(spatial)
            levels = [part.silence.default_clips_dbfs() for part in self._parts if part.silence]
            verdicts.append(silence_verdict(*levels, thresholds=self.options.thresholds.silence))
            if spatial.outcome is not Outcome.NOT_OK or spatial.reason in CONVERTIBLE:
                tags = self._tags.means() if self._tags else None
                verdicts.append(self._post_production.verdict(tags))
            if self._clipping:
                verdicts.append(self._clipping.verdict())
        elif self._still is not None:
            verdicts.append(self._refusal or _no_spatial_track("there is no sound"))
        verdicts += _worst(self._projections)
        if self._still is not None:
            verdicts += [self._still.verdict(), self._picture.verdict()]
        verdicts += _worst(self._durations)
        return Inspection(
            name=self.name,
            verdicts={verdict.name: verdict for verdict in verdicts},
            parts=self._parts,
            directions=self._directions,
            motion=self._still.motion if self._still else np.zeros((0, 2), np.float32),
            layout=", ".join(dict.fromkeys(self._layouts)),
            audio_choices=tuple(self._audio_choices),
            warnings=tuple(dict.fromkeys(self._warnings)),
        )

    def _listen(self, path: Path, stream: AudioStream, part: Part) -> None:
        """Feed a sound stream to all tests of sound."""
        t = self.options.thresholds
        stored = tested_format(stream)
        self._layouts.append(stream.layout.name)
        self._warnings += stream.layout.warnings
        if stored is None and self._refusal is None:
            self._refusal = _no_spatial_track("; ".join(stream.layout.evidence))
        channels = list(stored.channels) if stored else [0]
        gains = np.array(stored.gains if stored else (1.0,), np.float32)
        declared = stream.sa3d is not None or self.options.audio_layout is not None
        rate = stream.sample_rate_hz
        first, last = round(stream.start_s * rate), round(stream.end_s * rate)
        part.silence = SilenceTest(rate, t.silence, first)
        self._clipping = self._clipping or ClippingTest(len(channels), t.clipping)
        if self.options.tagger and self._tags is None:
            self._tags = TagMeans(self.options.tagger, rate)
        analyzer = FieldAnalyzer(rate, part.start_s + first / rate)
        with AudioReader(path, stream.position) as reader:
            for start in range(first, last, rate):
                samples, _ = reader.read(start, min(rate, last - start))
                sound = samples[channels]
                check_finite(path, sound, start / rate)
                self._clipping.feed(sound)
                part.silence.feed(sound[0] * gains[0])
                if self._tags:
                    self._tags.feed(sound[0] * gains[0])
                for tile in analyzer.feed(sound) if stored else ():
                    converted = tile.scaled(gains)
                    self._spatial.feed(converted if declared else tile)
                    self._post_production.feed(converted)
                    self._directions.feed(converted)
        if stored and stream.layout.format is None and self._refusal is None:
            self._refuse_surround(stream)

    def _note_choice(self, choice: AudioSelection) -> None:
        """Keep which audio was chosen; refuse what may be spatial but cannot be decoded."""
        if choice.note:
            self._audio_choices.append(choice.note)
        refusal = choice.undecodable
        if refusal is not None:
            reasons = (refusal.reason, refusal.reason)
            self._refusal = judge(spatial_audio.NAME, 0.99, reasons, refusal.detail)

    def _refuse_surround(self, stream: AudioStream) -> None:
        """Six channels of which more sound than a sound field has are no ambisonics."""
        measured = self._spatial.verdict()
        if measured.outcome is Outcome.NOT_OK:
            return
        detail = "; ".join(stream.layout.evidence)
        self._refusal = judge(
            spatial_audio.NAME, 0.9, ("surround", "surround"), detail, measured.numbers
        )

    def _look(self, path: Path, stream: VideoStream, sound: AudioStream | None, part: Part) -> None:
        """Feed a picture stream to all tests of pictures."""
        kind, verdict = projection_verdict(
            stream,
            spatial_audio=sound is not None and sound.layout.is_spatial,
            projection=self.options.projection,
        )
        self._projections.append(verdict)
        if self._still is None:
            self._still = StillImageTest(kind, self.options.thresholds.still)
        self._still.begin_part()
        self._picture.begin_part()
        for probe_of_file in read_frame_triplets(path, stream_index=stream.index):
            picture = replace(probe_of_file, time_s=part.start_s + probe_of_file.time_s)
            self._still.feed(picture)
            self._picture.feed(picture)
            if kind == "equirectangular":
                self._post_production.feed_picture(picture)


CONVERTIBLE = ("fuma", "n3d")


def _check_is_sound_alone(info: MediaInfo, audio_files: Sequence[Path]) -> None:
    """Refuse a file without a picture that should have one."""
    refusal = undecodable(info.path, info.undecodable, "video")
    if refusal is not None:
        raise refusal
    if audio_files:
        names = ", ".join(path.name for path in audio_files)
        raise BadItem("no-video", f"{info.path.name} has no picture that {names} belongs to")


def _worst(verdicts: list[Verdict]) -> list[Verdict]:
    """Return the worst verdict of a test on several files, if there is one."""
    return sorted(verdicts, key=lambda v: -v.defect_probability)[:1]


def _no_spatial_track(why: str) -> Verdict:
    reasons = ("no-spatial-track", "no-spatial-track")
    return judge(spatial_audio.NAME, 0.99, reasons, f"no sound field to test: {why}")

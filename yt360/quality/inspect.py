"""Run all quality checks on one recording, decoding each stream once with little memory.

All audio is read, one second at a time, and a few small frames of the video
(`yt360.media.video.frame_triplets`). A recording may consist of several files (sections of a long
video), which are passed to the same checks in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yt360.ambisonics.formats import AMBIX, YOUTUBE_5_1, AmbisonicFormat
from yt360.errors import BadItem
from yt360.media.audio.reader import AudioReader
from yt360.media.audio.selection import AudioSelection, select_audio
from yt360.media.containers.tracks import undecodable
from yt360.media.info import AudioStream, MediaInfo, VideoStream
from yt360.media.layout.sound_field import FieldAnalyzer
from yt360.media.pairing import audio_files_beside
from yt360.media.source import check_whole
from yt360.media.video.frame_triplets import read_frame_triplets
from yt360.media.video.projection import ResolvedProjection, resolve_projection
from yt360.quality.checks.base import AudioBlock, Part
from yt360.quality.checks.still_image import StillImageCheck
from yt360.quality.configs import Configs, configure_checks
from yt360.quality.findings import Findings
from yt360.quality.signal.levels import LevelMeter
from yt360.quality.signal.series import DirectionSeries
from yt360.quality.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class InspectOptions:
    """Inspection options.

    Attributes:
        audio_layout: Name of the stored audio layout; None to detect it.
        projection: Name of the projection; ``"auto"`` to detect it.
        checks: Configs of the checks to run, by name.
    """

    audio_layout: str | None = None
    projection: str = "auto"
    checks: Configs = field(default_factory=configure_checks)


@dataclass(kw_only=True)
class Inspection(Findings):
    """The findings on a recording, and the data of the report.

    Attributes:
        parts: One part for each pair of files.
        directions: Horizontal sound field over time.
        motion: Rows (time in the video in seconds, changed fraction of the image).
        audio_choices: Selected and unused audio of each part with audio files.
    """

    parts: list[Part]
    directions: DirectionSeries
    motion: NDArray[np.float32]
    audio_choices: tuple[str, ...] = ()


def inspect_file(
    path: Path, audio: Path | None = None, options: InspectOptions | None = None
) -> Inspection:
    """Run all checks on one file.

    Args:
        path: Media file.
        audio: File with the spatial audio. By default, files of the same name in the folder are
            candidates, as in ``build-shards``: see `yt360.media.audio.selection`.
        options: Inspection options.

    Raises:
        BadItem: The file is not a media file, or cannot be decoded; ``"no-video"`` if `audio` is
            given for a file without video.
    """
    inspector = Inspector(path.name, options)
    if audio is not None:
        inspector.add(path, (audio,), stated_companion=True)
    else:
        inspector.add(path, audio_files_beside(path))
    return inspector.finish()


class Inspector:
    """Passes the files of one recording to all checks.

    Args:
        name: Name of the recording.
        options: Inspection options.
    """

    def __init__(self, name: str, options: InspectOptions | None = None) -> None:
        self.name = name
        self.options = options or InspectOptions()
        self._checks = {name: config.build() for name, config in self.options.checks.items()}
        self._parts: list[Part] = []
        self._directions = DirectionSeries()
        self._audio_choices: list[str] = []

    def add(
        self,
        video: Path,
        audio_files: Sequence[Path] = (),
        start_s: float = 0.0,
        *,
        is_section: bool = False,
        stated_companion: bool = False,
    ) -> None:
        """Read a part of the recording; arguments and errors are those of `open`."""
        part = self.open(
            video, audio_files, start_s, is_section=is_section, stated_companion=stated_companion
        )
        for check in self._checks.values():
            check.begin_part(part)
        if part.audio is not None and part.audio_file is not None:
            self._read_audio(part.audio_file, part.audio, part)
        if part.video is not None:
            self._read_video(video, part.video, part)

    def open(
        self,
        video: Path,
        audio_files: Sequence[Path] = (),
        start_s: float = 0.0,
        *,
        is_section: bool = False,
        stated_companion: bool = False,
    ) -> Part:
        """Open a part of the recording without reading it.

        Args:
            video: File with the video (or only audio).
            audio_files: Files that may also contain the spatial audio.
            start_s: Time in the whole video at time 0 of the files.
            is_section: Whether the file was cut from a longer one.
            stated_companion: Whether to exclude the audio of `video` itself.

        Raises:
            BadItem: A file is not a media file, or its video cannot be decoded; ``"no-video"`` if
                there is an audio file for a file without video.
        """
        choice = select_audio(
            video,
            audio_files,
            audio_layout=self.options.audio_layout,
            use_own=not stated_companion,
        )
        check_whole(choice.video)
        check_whole(choice.info)
        if choice.video.main_video is None:
            _require_audio_alone(choice.video, audio_files)
        if choice.note:
            self._audio_choices.append(choice.note)
        part = self._part(choice, start_s, is_section)
        self._parts.append(part)
        return part

    def finish(self) -> Inspection:
        """Return the verdicts on all parts."""
        streams = {"audio": any(part.audio for part in self._parts)}
        streams["video"] = any(part.video for part in self._parts)
        verdicts: dict[str, Verdict] = {}
        for name, check in self._checks.items():
            needs = getattr(self.options.checks[name], "needs", "")
            if all(there for stream, there in streams.items() if stream in needs):
                verdict = check.verdict(verdicts)
                if verdict is not None:
                    verdicts[name] = verdict
        still = self._checks.get("still-image")
        layouts = [part.audio.layout for part in self._parts if part.audio is not None]
        warnings = [warning for layout in layouts for warning in layout.warnings]
        return Inspection(
            name=self.name,
            verdicts=verdicts,
            parts=self._parts,
            directions=self._directions,
            motion=still.motion
            if isinstance(still, StillImageCheck)
            else np.zeros((0, 2), np.float32),
            layout=", ".join(dict.fromkeys(layout.name for layout in layouts)),
            checks=self.options.checks,
            audio_choices=tuple(self._audio_choices),
            warnings=tuple(dict.fromkeys(warnings)),
        )

    def _part(self, choice: AudioSelection, start_s: float, is_section: bool) -> Part:
        video, audio = choice.video.main_video, choice.stream
        streams = [each for each in (video, audio) if each is not None]
        return Part(
            start_s=start_s,
            covered_s=(max(s.start_s for s in streams), min(s.end_s for s in streams)),
            is_section=is_section,
            video_file=choice.video.path,
            video=video,
            projection=None if video is None else self._projection(video, choice),
            audio_file=choice.info.path,
            audio=audio,
            audio_format=None if audio is None else _checked_format(audio),
            is_stated=self.options.audio_layout is not None
            or (audio is not None and audio.sa3d is not None),
            undecodable=choice.undecodable,
        )

    def _projection(
        self, video: VideoStream, choice: AudioSelection
    ) -> ResolvedProjection | BadItem:
        stated = self.options.projection
        try:
            return resolve_projection(video, spatial_audio=choice.is_spatial, projection=stated)
        except BadItem as refusal:
            return refusal

    def _read_audio(self, path: Path, stream: AudioStream, part: Part) -> None:
        """Pass an audio stream to all checks."""
        form = part.audio_format
        channels = list(form.channels) if form else [0]
        gains = np.array(form.gains if form else (1.0,), np.float32)
        rate = stream.sample_rate_hz
        first, last = round(stream.start_s * rate), round(stream.end_s * rate)
        part.levels = LevelMeter(rate, first)
        analyzer = FieldAnalyzer(rate, part.start_s + first / rate)
        with AudioReader(path, stream.position) as reader:
            for start in range(first, last, rate):
                stored, _ = reader.read(start, min(rate, last - start))
                samples = stored[channels]
                _require_finite(path, samples, start / rate)
                block = AudioBlock(samples, samples[0] * gains[0], rate)
                part.levels.feed(block.w)
                for check in self._checks.values():
                    check.add_audio(block)
                for segment in analyzer.feed(samples) if form else ():
                    ambix = segment.scaled(gains)
                    self._directions.feed(ambix)
                    for check in self._checks.values():
                        check.add_field(ambix, segment)

    def _read_video(self, path: Path, stream: VideoStream, part: Part) -> None:
        """Pass a few frames of a video stream to all checks."""
        for frames in read_frame_triplets(path, stream_index=stream.index):
            on_clock = replace(frames, time_s=part.start_s + frames.time_s)
            for check in self._checks.values():
                check.add_frames(on_clock)


def _checked_format(stream: AudioStream) -> AmbisonicFormat | None:
    """Return the format in which channels are checked as W, Y, Z, X; None if too few channels."""
    if stream.layout.format is not None:
        return stream.layout.format
    if stream.channels == 6:
        return YOUTUBE_5_1
    return AMBIX if stream.channels >= 4 else None


def _require_finite(path: Path, samples: NDArray[np.float32], start_s: float) -> None:
    """Check that samples are neither NaN nor infinite, which float formats can store."""
    if not np.isfinite(samples).all():
        detail = f"{path.name} has samples at {start_s:.0f} s that are not finite"
        raise BadItem("not-finite", detail)


def _require_audio_alone(info: MediaInfo, audio_files: Sequence[Path]) -> None:
    """Check that a file without video is not paired with audio files."""
    refusal = undecodable(info.path, info.undecodable, "video")
    if refusal is not None:
        raise refusal
    if audio_files:
        names = ", ".join(path.name for path in audio_files)
        raise BadItem("no-video", f"{info.path.name} has no video that {names} belongs to")

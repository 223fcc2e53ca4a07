"""Select the audio track of a video, by one rule for all commands (docs/media.md).

`yt360.media.pairing` finds the audio files of a video.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from yt360.errors import BadItem
from yt360.media.containers.tracks import undecodable
from yt360.media.info import AudioStream, MediaInfo
from yt360.media.probe import probe
from yt360.terminal.text import printable

_LOSSLESS = ("pcm_", "flac", "alac", "wavpack", "tta", "truehd", "mlp")


@dataclass(frozen=True)
class AudioSelection:
    """The selected audio track of a video.

    Attributes:
        video: The video.
        info: File that contains the track: the video itself or an audio file.
        stream: The track; None if there is no audio.
        note: One line that lists the selected and unused tracks; empty without audio files.
        num_spatial: Number of spatial candidates.
        undecodable: Error for the tracks without a decoder, if no candidate is spatial.
    """

    video: MediaInfo
    info: MediaInfo
    stream: AudioStream | None
    note: str = ""
    num_spatial: int = 0
    undecodable: BadItem | None = None

    @property
    def is_spatial(self) -> bool:
        """Whether the selected audio is ambisonic."""
        return self.stream is not None and self.stream.layout.is_spatial


@dataclass(frozen=True)
class _Candidate:
    info: MediaInfo
    stream: AudioStream
    is_own: bool

    @property
    def rank(self) -> tuple[bool, bool, int, bool, bool]:
        """Sort key; the candidate with the smallest key is selected."""
        layout = self.stream.layout
        channels = 0 if layout.is_spatial else -self.stream.channels
        lossless = self.stream.codec.startswith(_LOSSLESS)
        return not layout.is_spatial, bool(layout.warnings), channels, self.is_own, not lossless

    def describe(self) -> str:
        name = "the video's own" if self.is_own else printable(self.info.path.name)
        return f"{name} ({self.stream.layout.name}, {self.stream.codec})"


def select_audio(
    path: Path,
    audio_files: Sequence[Path] = (),
    *,
    audio_layout: str | None = None,
    use_own: bool = True,
) -> AudioSelection:
    """Select the audio track of a video.

    Candidates are the main audio track of the video and of each audio file. Preferred are, in this
    order: spatial audio; spatial audio without warnings; audio files over the video's own track;
    lossless codecs. If no candidate is spatial, the track with the most channels is selected.

    Args:
        path: The video.
        audio_files: Audio files in sync with the video; earlier ones win ties.
        audio_layout: Layout that the user or a catalog states for multi-channel audio.
        use_own: Whether the video's own tracks are candidates.

    Raises:
        BadItem: The video cannot be read, or an audio file cannot and no candidate is spatial.
    """
    video = _probe_video(path, audio_files, audio_layout)
    files, failed = [], []
    for audio_file in audio_files:
        try:
            files.append(probe(audio_file, audio_layout=audio_layout))
        except BadItem as error:
            failed.append((audio_file, error))
    if use_own:
        files.append(video)
    candidates = [
        _Candidate(info, info.main_audio, is_own=info is video)
        for info in files
        if info.main_audio is not None
    ]
    best = min(candidates, key=lambda each: each.rank, default=None)
    num_spatial = sum(each.stream.layout.is_spatial for each in candidates)
    if failed and not num_spatial:
        raise failed[0][1]
    errors = [undecodable(info.path, info.undecodable, "audio") for info in files]
    no_decoder = None if num_spatial else next(filter(None, errors), None)
    if best is None:
        return AudioSelection(video, video, None, undecodable=no_decoder)
    others = [each.describe() for each in candidates if each is not best]
    others += [f"{printable(path.name)} ({error.reason})" for path, error in failed]
    unused = f"; not used: {', '.join(others)}" if others else ""
    note = f"audio of {best.describe()}{unused}" if audio_files else ""
    return AudioSelection(video, best.info, best.stream, note, num_spatial, no_decoder)


def _probe_video(path: Path, audio_files: Sequence[Path], audio_layout: str | None) -> MediaInfo:
    """Probe a video; ignore its own tracks if the stated layout fits only an audio file."""
    try:
        return probe(path, audio_layout=audio_layout)
    except BadItem as error:
        if error.reason != "channel-count" or not audio_files:
            raise
        return replace(probe(path), audio=())

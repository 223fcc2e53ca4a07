"""Which audio belongs to a video: its own tracks and the files beside it, by one rule.

All commands pair and choose by the functions here; docs/media.md tells the rule to users.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from yt360.errors import BadItem
from yt360.media.containers.opening import open_media
from yt360.media.containers.tracks import is_cover, undecodable
from yt360.media.info import AudioStream, MediaInfo
from yt360.media.probe import probe
from yt360.terminal.text import printable

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".ogv", ".avi"})
AUDIO_SUFFIXES = (
    ".flac", ".wav", ".w64", ".rf64", ".bw64", ".amb", ".aiff", ".aif", ".aifc", ".caf", ".au",
    ".wv", ".tta", ".thd", ".mlp", ".opus", ".ogg", ".oga", ".mka", ".m4a", ".m4b",
)  # fmt: skip
"""Suffixes of audio files; where all else is equal, the first one is chosen."""

RAW_AUDIO_SUFFIXES = frozenset(
    {".aac", ".ac3", ".eac3", ".ec3", ".dts", ".latm", ".loas", ".mp2", ".mp3", ".mpa", ".wma"}
)
"""Suffixes of audio that is refused: nothing in it tells the encoder's delay."""

RAW_AUDIO_DETAIL = (
    "nothing in this format tells the delay of its encoder, so the sound would come 5 to 43 ms "
    "late; give what it was made from as .wav, .flac or .m4a"
)

_LOSSLESS = ("pcm_", "flac", "alac", "wavpack", "tta", "truehd", "mlp")


@dataclass(frozen=True)
class AudioChoice:
    """The audio that a video is used with.

    Attributes:
        video: The video.
        info: The file that holds the audio: the video itself, or a companion.
        stream: The track; None where there is no audio at all.
        note: What was chosen and what was not, in one line; empty without a companion.
        spatial: How many of the candidates are spatial.
        undecodable: The error that names tracks which FFmpeg cannot decode, where nothing else is
            spatial.
    """

    video: MediaInfo
    info: MediaInfo
    stream: AudioStream | None
    note: str = ""
    spatial: int = 0
    undecodable: BadItem | None = None

    @property
    def is_spatial(self) -> bool:
        """Whether the chosen audio is ambisonic."""
        return self.stream is not None and self.stream.layout.is_spatial


@dataclass(frozen=True)
class _Candidate:
    info: MediaInfo
    stream: AudioStream
    is_own: bool

    @property
    def rank(self) -> tuple[bool, bool, int, bool, bool]:
        """What the candidates are sorted by; the least one is chosen."""
        layout = self.stream.layout
        surplus = 0 if layout.is_spatial else -self.stream.channels
        lossless = self.stream.codec.startswith(_LOSSLESS)
        return not layout.is_spatial, bool(layout.doubts), surplus, self.is_own, not lossless

    def describe(self) -> str:
        name = "the video's own" if self.is_own else printable(self.info.path.name)
        return f"{name} ({self.stream.layout.name}, {self.stream.codec})"


def pairing_key(path: Path) -> str:
    """Return what files that belong together have in common: their name without suffix, in NFC.

    Some file systems store an accent as a character of its own; the name is the same for people.
    """
    return unicodedata.normalize("NFC", path.stem)


def files_by_key(folder: Path) -> dict[str, list[Path]]:
    """Return the files of a folder that are not hidden, by `pairing_key`; none if it is closed."""
    found: dict[str, list[Path]] = {}
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 (no Path for what is left out)
    except OSError:
        return {}
    for name in names:
        if not name.startswith("."):
            found.setdefault(pairing_key(Path(name)), []).append(folder / name)
    return {key: [file for file in files if file.is_file()] for key, files in found.items()}


def has_media_suffix(path: Path) -> bool:
    """Return whether a name says that the file is video, or audio in a usable container."""
    suffix = path.suffix.lower()
    return suffix in VIDEO_SUFFIXES or suffix in AUDIO_SUFFIXES


def is_raw_audio(path: Path) -> bool:
    """Return whether a name says that the file is audio of an unknown delay."""
    return path.suffix.lower() in RAW_AUDIO_SUFFIXES


def has_picture(path: Path) -> bool:
    """Return whether a file holds a picture; True where it cannot be read.

    What is wrong with it is told when its turn comes.
    """
    try:
        with open_media(path) as container:
            return not all(map(is_cover, container.streams.video))
    except BadItem:
        return True


def split_media(
    files: Iterable[Path], has_picture: Callable[[Path], bool] = has_picture
) -> tuple[list[Path], list[Path]]:
    """Split files of one pairing key into those with a picture and companions.

    Of several files with the suffix of a video, such as ``name.mp4`` and ``name.webm``, some may
    hold only audio. Companions come in the order of `AUDIO_SUFFIXES`, whatever order `files` has.
    """
    files = sorted(files, key=_suffix_order)
    companions = [file for file in files if file.suffix.lower() in AUDIO_SUFFIXES]
    pictures = files[len(companions) :]
    if len(pictures) > 1:
        without = [file for file in pictures if not has_picture(file)]
        if len(without) < len(pictures):
            companions += without
            pictures = [file for file in pictures if file not in without]
    return pictures, companions


def companions_of(video: Path) -> tuple[Path, ...]:
    """Return the files beside a video that may hold its audio; none for a file of audio."""
    beside = files_by_key(video.parent).get(pairing_key(video), ())
    pictures, companions = split_media({video, *filter(has_media_suffix, beside)})
    return tuple(companions) if video in pictures else ()


def choose_audio(
    path: Path,
    companions: Sequence[Path] = (),
    *,
    sound_layout: str | None = None,
    use_own: bool = True,
) -> AudioChoice:
    """Choose the audio that a video is used with, by what the candidates hold.

    Candidates are the main audio track of the video itself and of each companion. Spatial audio
    goes before any other, and without doubts before doubtful; then a companion before the video's
    own, since somebody put it there; then lossless before lossy. Where nothing is spatial, the
    track with the most channels is chosen.

    Args:
        path: The video.
        companions: Files in step with it, in order of preference where all else is equal.
        sound_layout: Layout that the user or a catalog states for multi-channel audio.
        use_own: Whether the tracks of the video itself are candidates.

    Raises:
        BadItem: The video cannot be read; or a companion cannot, and nothing else is spatial.
    """
    video = _probe_video(path, companions, sound_layout)
    files, troubles = [], []
    for companion in companions:
        try:
            files.append(probe(companion, sound_layout=sound_layout))
        except BadItem as error:
            troubles.append((companion, error))
    if use_own:
        files.append(video)
    candidates = [
        _Candidate(info, info.main_audio, is_own=info is video)
        for info in files
        if info.main_audio is not None
    ]
    best = min(candidates, key=lambda each: each.rank, default=None)
    spatial = sum(each.stream.layout.is_spatial for each in candidates)
    if troubles and not spatial:
        raise troubles[0][1]
    refusals = [undecodable(info.path, info.undecodable, "audio") for info in files]
    refusal = None if spatial else next(filter(None, refusals), None)
    if best is None:
        return AudioChoice(video, video, None, undecodable=refusal)
    others = [each.describe() for each in candidates if each is not best]
    others += [f"{printable(path.name)} ({error.reason})" for path, error in troubles]
    unused = f"; not used: {', '.join(others)}" if others else ""
    note = f"audio of {best.describe()}{unused}" if companions else ""
    return AudioChoice(video, best.info, best.stream, note, spatial, refusal)


def _probe_video(path: Path, companions: Sequence[Path], sound_layout: str | None) -> MediaInfo:
    """Probe a video; tracks of its own that the stated layout does not fit leave the companions."""
    try:
        return probe(path, sound_layout=sound_layout)
    except BadItem as error:
        if error.reason != "channel-count" or not companions:
            raise
        return replace(probe(path), audio=())


def _suffix_order(file: Path) -> tuple[int, str]:
    suffix = file.suffix.lower()
    known = suffix in AUDIO_SUFFIXES
    return AUDIO_SUFFIXES.index(suffix) if known else len(AUDIO_SUFFIXES), file.name

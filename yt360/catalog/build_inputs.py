"""Media and clips of a catalog, as inputs of the inspection and of ``build-shards``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from yt360.catalog.opening import is_catalog
from yt360.catalog.records import Clip, Video
from yt360.clips import TimeRange
from yt360.duplicates.groups import find_groups, folder_of_catalog
from yt360.errors import UserError
from yt360.media.layout.field_gain import FieldGain
from yt360.shards.builder.inputs.input_video import FoundInputs, InputVideo, merge_inputs
from yt360.shards.builder.inputs.search import find_inputs
from yt360.splits import SPLITS

if TYPE_CHECKING:
    from yt360.catalog.catalog import Catalog

_FACTS = ("url", "title", "channel", "channel_id", "license", "upload_date")


@dataclass(frozen=True)
class MediaPart:
    """Synchronous video and audio of a whole video or of one section.

    Attributes:
        video: File with the video stream.
        audio: File with the spatial audio; None when it is in the same file.
        start_s: Second of the video at time 0 of the files.
        end_s: End of a section, in seconds of the video; infinite for a whole video.
    """

    video: Path
    audio: Path | None
    start_s: int
    end_s: float


def find_all_inputs(
    paths: Sequence[Path], exclude: Path | None = None, clip_s: int | None = None
) -> FoundInputs:
    """Return the inputs in media files, folders and catalogs.

    Args:
        paths: Media files, folders of them, and catalogs.
        exclude: A folder to leave out (the dataset, in case it is inside an input).
        clip_s: Length of the clips; None for the length that each catalog has.

    Raises:
        UserError: See `yt360.shards.builder.inputs.search.find_inputs` and `catalog_inputs`.
    """
    catalogs = [path for path in paths if is_catalog(path)]
    media = [path for path in paths if path not in catalogs]
    found = [find_inputs(media, exclude)] if media or not catalogs else []
    for path in catalogs:
        from yt360.catalog.catalog import Catalog

        with Catalog(path) as catalog:
            found.append(catalog_inputs(catalog, clip_s))
    return merge_inputs(found)


def media_parts(catalog: Catalog, video_id: str) -> list[MediaPart]:
    """Return the downloaded media of a video by time; empty when nothing is downloaded."""
    files = catalog.files.of(video_id)
    audio = {file.start_s: catalog.media / file.path for file in files if file.role == "sound"}
    parts = [
        MediaPart(
            video=catalog.media / file.path,
            audio=audio.get(file.start_s) if file.role == "video" else None,
            start_s=int(file.start_s),
            end_s=float("inf") if file.end_s is None else file.end_s,
        )
        for file in files
        if file.role != "sound"
    ]
    return sorted(parts, key=lambda part: (part.start_s, part.end_s))


def catalog_inputs(catalog: Catalog, clip_s: int | None = None) -> FoundInputs:
    """Return the accepted videos of a catalog as inputs of ``build-shards``.

    Clips, splits and source facts are those of the catalog. Only kept clips are cut.

    Args:
        catalog: The catalog.
        clip_s: Length of the clips. Videos whose clips have another length are cut again, unless
            a list gives their clips. None for the clips of the catalog.

    Raises:
        UserError: No video is accepted (the message says what to do first), or a list gives clips
            of another length than `clip_s`.
    """
    inputs: list[InputVideo] = []
    without_media: list[str] = []
    for video in catalog.videos.select("accepted"):
        items = list(_inputs_of(catalog, video, clip_s))
        inputs += items
        if not items:
            without_media.append(video.video_id)
    if not inputs and without_media:
        raise UserError(
            f"the {len(without_media)} accepted videos of {catalog.path} have no media in "
            f"{catalog.media}; restore the folder, or run `yt360 download {catalog.path}`",
            "missing",
            catalog.media,
        )
    if not inputs:
        message = f"no video of {catalog.path} is accepted yet: {_next_step(catalog)}"
        raise UserError(message, "empty", catalog.path)
    inputs.sort(key=lambda item: item.file_id)
    duplicates = find_groups(folder_of_catalog(catalog.path))
    return FoundInputs(tuple(inputs), (), 0, tuple(without_media), duplicates)


def _inputs_of(catalog: Catalog, video: Video, clip_s: int | None) -> Iterator[InputVideo]:
    from yt360.catalog.lists.yt360_lists import ORIGIN as FROM_LIST

    parts = media_parts(catalog, video.video_id)
    if not parts:
        return
    kept = [clip for clip in catalog.clips.of(video.video_id) if clip.kept]
    cut_again = clip_s is not None and any(clip.duration_s != clip_s for clip in kept)
    if cut_again and any(clip.origin == FROM_LIST for clip in kept):
        lengths = ", ".join(f"{each:g}" for each in sorted({clip.duration_s for clip in kept}))
        raise UserError(
            f"a list gives clips of {lengths} s of {video.video_id} in {catalog.path}, not of "
            f"{clip_s} s; leave --clip-s out",
            "conflict",
            "clip_s",
        )
    clips: dict[MediaPart, list[TimeRange]] = {part: [] for part in parts}
    for clip in kept:
        clips[_part_containing(clip, parts)].append(TimeRange(clip.start_s, clip.duration_s))
    split = catalog.splits.of(video.video_id)
    facts = {name: getattr(video, name) for name in _FACTS}
    measured = catalog.verdicts.of(video.video_id).get("field-gain")
    field_gain = None if measured is None else FieldGain.from_numbers(measured.numbers)
    for part, listed in clips.items():
        yield InputVideo(
            video_id=video.video_id,
            video=part.video,
            companions=(part.audio,) if part.audio else (),
            start_s=part.start_s,
            segments=None if cut_again else tuple(listed),
            channel=video.channel_id,
            split=split if split in SPLITS else None,
            audio_layout=video.stated_sound_layout,
            projection=video.stated_projection,
            inspected=True,
            field_gain=field_gain,
            name=part.video.relative_to(catalog.media).as_posix(),
            facts={name: value for name, value in facts.items() if value is not None},
        )


def _part_containing(clip: Clip, parts: Sequence[MediaPart]) -> MediaPart:
    """Return the part that holds most of a clip, or the first of several that hold all of it.

    The video stream of a section begins at a key frame, which may be in the section before, long
    before the audio begins. Clips there belong to the section before.
    """

    def outside_s(part: MediaPart) -> float:
        before_s = part.start_s - clip.start_s
        return max(0.0, before_s, clip.start_s + clip.duration_s - part.end_s)

    return min(parts, key=outside_s)


def _next_step(catalog: Catalog) -> str:
    if catalog.claims.waiting("inspect"):
        return f"run `yt360 inspect {catalog.path}` first"
    if catalog.claims.waiting("download"):
        return f"run `yt360 download {catalog.path}` and `yt360 inspect {catalog.path}` first"
    return f"`yt360 catalog show {catalog.path}` shows the reasons"

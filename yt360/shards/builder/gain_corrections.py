"""Decide the correction of the gain of W of each video, once for all its clips."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa

from yt360.errors import UserError
from yt360.media.layout.field_correction import FieldCorrection, field_correction
from yt360.media.layout.field_gain import median_gain
from yt360.media.names import FieldGainMode
from yt360.shards.builder.inputs.input_video import InputVideo
from yt360.shards.builder.staging import InputAnalysis, StagingFolder
from yt360.shards.format.arrow_values import array_of
from yt360.shards.format.clip_facts import facts_at
from yt360.shards.format.columns import table_rows
from yt360.splits import Split
from yt360.untrusted.files import open_regular


def correction_of_video(
    items: Iterable[InputVideo],
    analyses: Mapping[str, InputAnalysis],
    dataset: Path,
    tables: Mapping[Split, pa.Table],
    mode: FieldGainMode,
) -> dict[str, FieldCorrection | None]:
    """Return the correction of each video by id; None keeps its gain.

    Clips that are already in the dataset, or staged by an interrupted run, decide for the other
    clips of their video, so that a video has one gain however many runs and files its clips came
    from. Otherwise the median of its files with clips decides.

    Args:
        items: The inputs to process.
        analyses: Analysis of each input, by key.
        dataset: The dataset's folder.
        tables: Index of the existing shards, by split.
        mode: See `field_correction`.

    Raises:
        UserError: A shard cannot be read.
    """
    if mode == "off":
        return {}
    by_video: dict[str, list[InputVideo]] = {}
    for item in items:
        if analyses[item.key].clips:
            by_video.setdefault(item.video_id, []).append(item)
    found = _stored_corrections(by_video, dataset, tables)
    staging = StagingFolder(dataset)
    for video_id in by_video.keys() - found.keys():
        files = [(item, analyses[item.key]) for item in by_video[video_id]]
        keys = (item.clip_key(clip.start_s) for item, each in files for clip in each.clips)
        staged = next(filter(None, map(staging.facts, keys)), None)
        if staged is not None:
            found[video_id] = staged.conversion.clip.sound.field_correction
            continue
        gains = [each.field_gain for _, each in files if each.field_gain is not None]
        found[video_id] = field_correction(median_gain(gains), mode)
    return found


def _stored_corrections(
    video_ids: Iterable[str], dataset: Path, tables: Mapping[Split, pa.Table]
) -> dict[str, FieldCorrection | None]:
    """Return the correction in the first clip of each of these videos that has clips in shards."""
    found: dict[str, FieldCorrection | None] = {}
    if not any(table.num_rows for table in tables.values()):
        return found
    import pyarrow.compute as pc  # a slow import

    wanted = array_of(sorted(video_ids), pa.string())
    for split, table in tables.items():
        for row in table_rows(table.filter(pc.is_in(table.column("video_id"), wanted))):
            if row.video_id in found:
                continue
            path = dataset / split / row.shard
            try:
                with open_regular(path, dataset) as shard:
                    facts = facts_at(shard, *row.byte_range("json"))
            except ValueError as error:
                raise UserError(f"{path}: {row.key}.json is invalid: {error}", key=path) from None
            found[row.video_id] = facts.conversion.clip.sound.field_correction
    return found

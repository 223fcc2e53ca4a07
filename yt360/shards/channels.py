"""Whose channel each video is of: what the inputs say, and what the clips in shards tell."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from yt360.errors import UserError
from yt360.shards.inputs import InputVideo
from yt360.shards.sidecar import channel_of
from yt360.splits import Split


def known_channels(
    videos: Iterable[InputVideo],
    to_do: Iterable[InputVideo],
    dataset: Path,
    tables: Mapping[Split, pa.Table],
) -> dict[str, str]:
    """Return video id -> channel, of the inputs and of what is in shards.

    Shards are read only where a channel could matter: when an input to do has one.

    Args:
        videos: All inputs.
        to_do: Those whose split may yet be open.
        dataset: The dataset folder.
        tables: Index of what is in shards already, by split.

    Raises:
        UserError: A shard cannot be read.
    """
    channels: dict[str, str] = {}
    for item in videos:
        if item.channel is not None:
            channels.setdefault(item.video_id, item.channel)
    if any(item.channel is not None for item in to_do):
        for split, table in tables.items():
            channels |= _packed_channels(dataset / split, table, channels)
    return channels


def _packed_channels(folder: Path, table: pa.Table, known: Collection[str]) -> dict[str, str]:
    """Return the channels of the videos of a split that are not `known`, where clips tell them."""
    rows: dict[str, dict[str, Any]] = {}
    for row in table.select(["video_id", "shard", "json_offset", "json_bytes"]).to_pylist():
        if row["video_id"] not in known:
            rows.setdefault(row["video_id"], row)
    channels: dict[str, str] = {}
    for video_id, row in rows.items():
        path = folder / row["shard"]
        try:
            with path.open("rb") as file:
                file.seek(row["json_offset"])
                channel = channel_of(json.loads(file.read(row["json_bytes"]))["source"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path} does not tell the channel of {video_id}, which may be that of new videos "
                f"({type(error).__name__}: {error}); mend the dataset (`yt360 check` tells what is "
                "wrong), or use another --out"
            ) from None
        if channel is not None:
            channels[video_id] = channel
    return channels

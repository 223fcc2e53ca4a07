"""Count the content of a dataset or catalog: table rows (videos, clips, hours) and histograms."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from yt360.catalog.catalog import Catalog
from yt360.catalog.rows import read_value
from yt360.errors import UserError
from yt360.shards.format.clip_facts import ClipFacts, parse_facts
from yt360.shards.format.reader import ShardReader
from yt360.shards.format.schema import DatasetInfo
from yt360.splits import SPLITS

MAX_BINS = 40
LONG_TAIL = 20.0
"""If the maximum is above this multiple of the median, bins have logarithmic widths."""


@dataclass(frozen=True)
class TableRow:
    """Size of a split: one row of the table."""

    videos: int
    clips: int
    hours: float


@dataclass(frozen=True)
class Histogram:
    """Counts of a number over half-open ranges ``[edges[i], edges[i + 1])``.

    Attributes:
        name: What is counted, such as ``"level of clips (dBFS)"``.
        edges: (N + 1,) rising numbers.
        counts: (N,) counts; the last range includes its upper edge.
        is_log: Whether bins have logarithmic widths, as for a distribution with a long tail.
    """

    name: str
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    is_log: bool = False


@dataclass(frozen=True)
class DatasetCounts:
    """Counts of a dataset or a catalog.

    Attributes:
        rows: Split (or ``"total"``) -> its table row.
        histograms: Numbers of its clips and videos.
        categories: Name -> category -> number of videos or clips.
    """

    rows: dict[str, TableRow]
    histograms: list[Histogram] = field(default_factory=list)
    categories: dict[str, Counter[str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "rows": {
                name: {"videos": row.videos, "clips": row.clips, "hours": row.hours}
                for name, row in self.rows.items()
            },
            "histograms": {
                each.name: {"edges": each.edges.tolist(), "counts": each.counts.tolist()}
                for each in self.histograms
            },
            "categories": {name: dict(count) for name, count in self.categories.items()},
        }


def count_dataset(dataset: Path) -> DatasetCounts:
    """Count the content of a dataset, from its index and the ``.json`` of its clips.

    Memory grows by two numbers per clip and a few strings per video.

    Raises:
        UserError: The folder is not a dataset.
    """
    info = DatasetInfo.load(dataset)
    rows = {
        name: TableRow(split.videos, split.clips, split.duration_s / 3600)
        for name, split in info.splits.items()
    }
    levels_dbfs, starts_s = array("d"), array("d")
    clips: Counter[str] = Counter()
    by_id: dict[str, _VideoFacts] = {}
    for record in _records(dataset, [split for split in SPLITS if info.splits[split].clips]):
        if record.quality.level_dbfs is not None:
            levels_dbfs.append(record.quality.level_dbfs)
        starts_s.append(record.start_s)
        clips[record.video_id] += 1
        by_id[record.video_id] = _facts(record)
    videos = by_id.values()
    return DatasetCounts(
        rows={**rows, "total": _sum(rows.values())},
        histograms=_histograms(
            {
                "clips of a video": clips.values(),
                "level of a clip (dBFS)": levels_dbfs,
                "start of a clip (s)": starts_s,
                "rows of the source picture": [video.rows for video in videos],
            }
        ),
        categories=_categories(
            {
                "upload year": [video.upload_year for video in videos],
                "licence": [video.license for video in videos],
                "projection": [video.projection for video in videos],
                "sound": [video.audio for video in videos],
                "field gain": [video.field_gain for video in videos],
                "audio layout warning": [
                    code for video in videos for code in video.layout_warnings or ("none",)
                ],
            }
        ),
    )


def count_catalog(catalog: Catalog) -> DatasetCounts:
    """Count the accepted videos of a catalog and their kept clips.

    If no video is accepted yet, as after an import, all videos with clips that are not rejected are
    counted.
    """
    states = dict(catalog.connection.execute("SELECT state, count(*) FROM videos GROUP BY state"))
    where = "state = 'accepted'" if states.get("accepted") else "state != 'rejected'"
    rows = {
        read_value(str, row["split"], "split"): TableRow(
            row["videos"], row["clips"], read_value(float, row["seconds"], "duration_s") / 3600
        )
        for row in catalog.connection.execute(
            "SELECT ifnull(split, 'no split') AS split, count(DISTINCT clips.video) AS videos, "
            "count(*) AS clips, sum(clips.duration_s) AS seconds FROM clips "
            "JOIN videos ON videos.number = clips.video "
            f"LEFT JOIN splits ON splits.video = clips.video WHERE kept AND {where} GROUP BY 1"
        )
    }
    column = _columns(catalog, where)
    return DatasetCounts(
        rows={**_in_order(rows), "total": _sum(rows.values())},
        histograms=_histograms(
            {
                "clips of a video": column(float, "clips"),
                "length of a video (s)": column(float, "duration_s"),
            }
        ),
        categories=_categories(
            {
                "upload year": [(date or "")[:4] for date in column(str, "upload_date")],
                "licence": column(str, "license"),
                "projection": column(str, "projection"),
                "sound": column(str, "spatial_audio"),
                "language of the search": _languages(catalog),
                "field gain": _field_gains(catalog, where),
                "audio layout warning": _layout_warnings(catalog, where),
            }
        ),
    )


class _VideoFacts(NamedTuple):
    """The counted facts of a video; None if unknown."""

    upload_year: str
    license: str | None
    projection: str | None
    audio: str | None
    rows: int | None
    field_gain: str
    layout_warnings: tuple[str, ...]


def _records(dataset: Path, splits: Iterable[str]) -> Iterator[ClipFacts]:
    """Yield the record of each clip."""
    for split in splits:
        reader = ShardReader(dataset, split)
        for index in range(len(reader)):
            try:
                yield parse_facts(reader.read(index, "json"))
            except ValueError as error:
                raise UserError(
                    f"the .json of {reader.keys[index]} cannot be used: {error}; "
                    f"`yt360 check {dataset}` lists all faults"
                ) from None


def _facts(record: ClipFacts) -> _VideoFacts:
    source, video, audio = record.source, record.conversion.video, record.conversion.sound
    correction = record.conversion.clip.sound.field_correction
    return _VideoFacts(
        upload_year=(source.upload_date or "")[:4],
        license=source.license,
        projection=video.projection,
        audio=" ".join(name for name in (audio.layout, audio.codec) if name) or None,
        rows=video.height,
        field_gain="as recorded" if correction is None else f"corrected ({correction.mode})",
        layout_warnings=audio.codes,
    )


def _columns(catalog: Catalog, where: str) -> Any:
    rows = catalog.connection.execute(
        "SELECT duration_s, upload_date, license, projection, spatial_audio, "
        "(SELECT count(*) FROM clips WHERE video = number AND kept) AS clips "
        f"FROM videos WHERE {where} AND clips > 0"
    ).fetchall()
    return lambda kind, name: [read_value(kind | None, row[name], name) for row in rows]


def _field_gains(catalog: Catalog, where: str) -> list[str]:
    """Return what the inspection says of the gain of W of each video."""
    rows = catalog.connection.execute(
        "SELECT numbers FROM verdicts JOIN videos ON videos.number = verdicts.video "
        f"WHERE kind = 'field-gain' AND {where}"
    )
    return [str(read_value(dict, row["numbers"], "numbers").get("reason")) for row in rows]


def _layout_warnings(catalog: Catalog, where: str) -> list[str]:
    """Return the codes of the layout warnings of each inspected video, or ``none``."""
    rows = catalog.connection.execute(
        "SELECT numbers FROM verdicts JOIN videos ON videos.number = verdicts.video "
        f"WHERE kind = 'spatial-audio' AND {where}"
    )
    numbers = (read_value(dict, row["numbers"], "numbers") for row in rows)
    found = [_codes(each.get("doubts", ())) for each in numbers]
    return [code for codes in found for code in codes or ("none",)]


def _codes(stored: Any) -> tuple[str, ...]:
    """Return the codes of stored layout warnings; older catalogs store sentences without a code."""
    warnings = stored if isinstance(stored, list) else ()
    return tuple(str(each.get("code")) for each in warnings if isinstance(each, Mapping))


def _languages(catalog: Catalog) -> list[str]:
    rows = catalog.connection.execute(
        "SELECT DISTINCT video, language FROM sightings "
        "JOIN listings ON listings.number = listing WHERE language IS NOT NULL"
    )
    return [read_value(str, row["language"], "language") for row in rows]


def _in_order(rows: Mapping[str, TableRow]) -> dict[str, TableRow]:
    return {name: rows[name] for name in (*SPLITS, *sorted(rows)) if name in rows}


def _sum(rows: Iterable[TableRow]) -> TableRow:
    rows = list(rows)
    return TableRow(
        sum(row.videos for row in rows),
        sum(row.clips for row in rows),
        sum(row.hours for row in rows),
    )


def _histograms(values: Mapping[str, Iterable[float | None]]) -> list[Histogram]:
    """Return a histogram of each list with at least one number; None is ignored."""
    histograms = []
    for name, each in values.items():
        numbers = np.fromiter((value for value in each if value is not None), np.float64)
        if len(numbers):
            has_tail = numbers.min() > 0 and numbers.max() > LONG_TAIL * np.median(numbers)
            edges = _log_edges(numbers) if has_tail else _even_edges(numbers)
            counts = np.histogram(numbers, edges)[0].astype(np.int64)
            histograms.append(Histogram(name, edges, counts, bool(has_tail)))
    return histograms


def _even_edges(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.histogram_bin_edges(numbers, min(MAX_BINS, len(np.unique(numbers))))


def _log_edges(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    edges = np.geomspace(numbers.min(), numbers.max(), MAX_BINS + 1)
    if not np.all(numbers == np.round(numbers)):
        return edges
    halves = np.unique(np.round(edges)) - 0.5  # else some ranges could hold no whole number
    return np.append(halves, numbers.max() + 0.5)


def _categories(values: Mapping[str, list[Any]]) -> dict[str, Counter[str]]:
    """Count the values of each list; None counts as ``unknown``."""
    return {
        name: Counter(str(value or "unknown") for value in each)
        for name, each in values.items()
        if any(each)
    }

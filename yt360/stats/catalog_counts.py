"""Count the content of a catalog: videos, clips and hours, and the facts of videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from yt360.catalog.catalog import Catalog
from yt360.catalog.rows import read_value
from yt360.splits import SPLITS
from yt360.stats.counts import DatasetCounts, TableRow, categories_of, histograms_of, total


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
        rows={**_in_order(rows), "total": total(rows.values())},
        histograms=histograms_of(
            {
                "clips of a video": column(float, "clips"),
                "length of a video (s)": column(float, "duration_s"),
            }
        ),
        categories=categories_of(
            {
                "upload year": Counter((date or "")[:4] for date in column(str, "upload_date")),
                "licence": Counter(column(str, "license")),
                "projection": Counter(column(str, "projection")),
                "spatial audio": Counter(column(str, "spatial_audio")),
                "language of the search": Counter(_languages(catalog)),
                "field gain": Counter(_field_gains(catalog, where)),
                "audio layout warning": Counter(_layout_warnings(catalog, where)),
            }
        ),
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

"""The database schema of a catalog (SQLite, write-ahead log), its version and its migrations.

Times are seconds since 1970 (REAL). Tables refer to a video by its ``number`` (order of arrival);
the 11-character ``video_id`` is stored once. Triggers maintain ``counters``, so a summary of a
million videos reads a few dozen rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import lru_cache

from yt360.catalog.database import transaction

APPLICATION_ID = 0x59333630  # "Y360": identifies a catalog among SQLite files

_TABLES = (
    """CREATE TABLE settings (
        key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE videos (
        number INTEGER PRIMARY KEY,
        video_id TEXT NOT NULL UNIQUE,
        url TEXT,
        state TEXT NOT NULL DEFAULT 'found' CHECK (state IN (
            'found', 'wanted', 'downloaded', 'accepted', 'rejected', 'unavailable', 'failed')),
        reason TEXT,
        detail TEXT,
        due_at REAL NOT NULL DEFAULT 0,
        claim TEXT,
        tries INTEGER NOT NULL DEFAULT 0,
        title TEXT,
        channel_id TEXT,
        channel TEXT,
        license TEXT,
        upload_date TEXT,
        duration_s REAL,
        projection TEXT,
        spatial_audio TEXT,
        facts TEXT NOT NULL DEFAULT '{}',
        added_at REAL NOT NULL,
        changed_at REAL NOT NULL)""",
    # A claim takes the first due video of a state: due_at holds the end of a lease or of a retry
    # delay, so one index serves both.
    "CREATE INDEX videos_due ON videos (state, due_at)",
    "CREATE INDEX videos_claimed ON videos (due_at) WHERE claim IS NOT NULL",
    "CREATE INDEX videos_channel ON videos (channel_id) WHERE channel_id IS NOT NULL",
    """CREATE TABLE attempts (
        number INTEGER PRIMARY KEY,
        video INTEGER NOT NULL REFERENCES videos (number),
        job TEXT NOT NULL,
        worker TEXT NOT NULL,
        started_at REAL NOT NULL,
        ended_at REAL,
        outcome TEXT NOT NULL DEFAULT 'running',
        reason TEXT,
        detail TEXT)""",
    "CREATE INDEX attempts_video ON attempts (video)",
    """CREATE TABLE files (
        video INTEGER NOT NULL REFERENCES videos (number),
        role TEXT NOT NULL CHECK (role IN ('video', 'sound', 'both')),
        start_s REAL NOT NULL,
        end_s REAL,
        path TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        format_id TEXT,
        facts TEXT NOT NULL DEFAULT '{}',
        PRIMARY KEY (video, role, start_s)) WITHOUT ROWID""",
    """CREATE TABLE verdicts (
        video INTEGER NOT NULL REFERENCES videos (number),
        kind TEXT NOT NULL,
        verdict TEXT NOT NULL,
        numbers TEXT NOT NULL DEFAULT '{}',
        made_at REAL NOT NULL,
        PRIMARY KEY (video, kind)) WITHOUT ROWID""",
    """CREATE TABLE clips (
        video INTEGER NOT NULL REFERENCES videos (number),
        start_s INTEGER NOT NULL,
        duration_s REAL NOT NULL,
        origin TEXT NOT NULL,
        kept INTEGER NOT NULL,
        reason TEXT,
        numbers TEXT NOT NULL DEFAULT '{}',
        PRIMARY KEY (video, start_s)) WITHOUT ROWID""",
    """CREATE TABLE splits (
        position INTEGER PRIMARY KEY,
        video INTEGER NOT NULL UNIQUE REFERENCES videos (number),
        split TEXT NOT NULL,
        origin TEXT NOT NULL)""",
    """CREATE TABLE listings (
        number INTEGER PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('search', 'channel')),
        key TEXT NOT NULL,
        filters TEXT NOT NULL DEFAULT '',
        language TEXT,
        state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'failed')),
        pages INTEGER NOT NULL DEFAULT 0,
        hits INTEGER NOT NULL DEFAULT 0,
        next_page TEXT,
        due_at REAL NOT NULL DEFAULT 0,
        claim TEXT,
        tries INTEGER NOT NULL DEFAULT 0,
        reason TEXT,
        UNIQUE (kind, key, filters))""",
    "CREATE INDEX listings_due ON listings (state, due_at)",
    """CREATE TABLE sightings (
        video INTEGER NOT NULL REFERENCES videos (number),
        listing INTEGER NOT NULL REFERENCES listings (number),
        PRIMARY KEY (video, listing)) WITHOUT ROWID""",
    """CREATE TABLE sites (
        site TEXT PRIMARY KEY,
        next_at REAL NOT NULL DEFAULT 0,
        paused_until REAL NOT NULL DEFAULT 0,
        strikes INTEGER NOT NULL DEFAULT 0,
        troubles INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID""",
    """CREATE TABLE counters (
        topic TEXT NOT NULL,
        key TEXT NOT NULL,
        count INTEGER NOT NULL,
        seconds REAL NOT NULL DEFAULT 0,
        PRIMARY KEY (topic, key)) WITHOUT ROWID""",
)


def _counting_triggers(table: str, topic: str, key: str, seconds: str = "0") -> tuple[str, ...]:
    """Return triggers that keep ``counters`` equal to ``SELECT key, count(*) GROUP BY key``.

    `key` and `seconds` are SQL expressions in which ``{row}`` stands for NEW or OLD.
    """

    def step(row: str, sign: str) -> str:
        name, length = key.format(row=row), seconds.format(row=row)
        return f"""
            INSERT INTO counters (topic, key, count, seconds)
            SELECT '{topic}', {name}, {sign}1, {sign}({length}) WHERE {name} IS NOT NULL
            ON CONFLICT (topic, key) DO UPDATE SET
                count = count + excluded.count, seconds = seconds + excluded.seconds;"""

    changed = f"{key.format(row='OLD')} IS NOT {key.format(row='NEW')}"
    if seconds != "0":
        changed += f" OR {seconds.format(row='OLD')} IS NOT {seconds.format(row='NEW')}"
    return (
        f"CREATE TRIGGER {table}_{topic}_in AFTER INSERT ON {table} BEGIN {step('NEW', '+')} END",
        f"CREATE TRIGGER {table}_{topic}_out AFTER DELETE ON {table} BEGIN {step('OLD', '-')} END",
        f"CREATE TRIGGER {table}_{topic}_change AFTER UPDATE ON {table} WHEN {changed}"
        f" BEGIN {step('OLD', '-')} {step('NEW', '+')} END",
    )


_TRIGGERS = (
    *_counting_triggers("videos", "state", "{row}.state"),
    *_counting_triggers("videos", "reason", "{row}.state || '/' || {row}.reason"),
    *_counting_triggers("attempts", "attempt", "{row}.job || '/' || {row}.outcome"),
    *_counting_triggers("verdicts", "verdict", "{row}.kind || '/' || {row}.verdict"),
    *_counting_triggers(
        "clips",
        "clip",
        "CASE WHEN {row}.kept THEN 'kept' ELSE 'dropped/' || ifnull({row}.reason, '?') END",
        "{row}.duration_s",
    ),
    *_counting_triggers("splits", "split", "{row}.split"),
    *_counting_triggers("listings", "listing", "{row}.kind || '/' || {row}.state"),
    *_counting_triggers("files", "file", "{row}.role"),
)

_KEPT_BY_STATE = (
    *_counting_triggers(
        "clips",
        "kept_of",
        "CASE WHEN {row}.kept THEN (SELECT state FROM videos WHERE number = {row}.video) END",
        "{row}.duration_s",
    ),
    # The kept clips of a video change their state with it.
    """CREATE TRIGGER videos_kept_of_change AFTER UPDATE ON videos WHEN OLD.state IS NOT NEW.state
       BEGIN
            INSERT INTO counters (topic, key, count, seconds)
            SELECT 'kept_of', OLD.state, -count(*), -total(duration_s) FROM clips
                WHERE video = NEW.number AND kept GROUP BY video
            ON CONFLICT (topic, key) DO UPDATE SET
                count = count + excluded.count, seconds = seconds + excluded.seconds;
            INSERT INTO counters (topic, key, count, seconds)
            SELECT 'kept_of', NEW.state, count(*), total(duration_s) FROM clips
                WHERE video = NEW.number AND kept GROUP BY video
            ON CONFLICT (topic, key) DO UPDATE SET
                count = count + excluded.count, seconds = seconds + excluded.seconds;
       END""",
    """INSERT INTO counters (topic, key, count, seconds)
       SELECT 'kept_of', state, count(*), total(clips.duration_s) FROM clips
           JOIN videos ON videos.number = clips.video WHERE kept GROUP BY state""",
)

# Layout and projection that the user states.
_STATED = (
    "ALTER TABLE videos ADD COLUMN stated_sound_layout TEXT",
    "ALTER TABLE videos ADD COLUMN stated_projection TEXT",
)

# The imported lists, and their videos.
_LISTS = (
    """CREATE TABLE lists (
        number INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        added_at REAL NOT NULL)""",
    """CREATE TABLE list_videos (
        video INTEGER NOT NULL REFERENCES videos (number),
        list INTEGER NOT NULL REFERENCES lists (number),
        PRIMARY KEY (video, list)) WITHOUT ROWID""",
)

# What people decided about videos and clips; `value` is JSON.
_DECISIONS = (
    """CREATE TABLE decisions (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        key TEXT NOT NULL,
        action TEXT NOT NULL,
        value TEXT NOT NULL,
        note TEXT NOT NULL,
        who TEXT NOT NULL,
        made_at TEXT NOT NULL,
        undoes TEXT)""",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (*_TABLES, *_TRIGGERS),
    _KEPT_BY_STATE,
    _STATED,
    _LISTS,
    _DECISIONS,
)
"""Statements that migrate a catalog from version i to i + 1; the first ones create it."""


def version_of(connection: sqlite3.Connection) -> int:
    """Return the schema version of an open database (0 for an empty one)."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


class ForeignSchema(Exception):
    """The schema of a catalog is not one that yt360 creates."""


def check_schema(connection: sqlite3.Connection) -> None:
    """Compare the schema of a catalog with the schema that yt360 creates for its version.

    A view, trigger, index or table that somebody else added may run code with every statement.

    Raises:
        ForeignSchema: The schemas differ, or a newer version wrote the catalog.
    """
    version = version_of(connection)
    if version > len(MIGRATIONS):
        raise ForeignSchema(
            f"the catalog has version {version}, this program reads versions up to "
            f"{len(MIGRATIONS)}: update yt360"
        )
    expected = _schema(max(version, 0))
    found = _rows_of_schema(connection, len(expected) + 1)
    for row in found ^ expected:
        kind, name = row[:2]
        what = "is missing or was changed" if row in expected else "is not of yt360"
        raise ForeignSchema(
            f"the {kind} {name!r:.60} {what}; a catalog holds nothing but what yt360 makes: drop "
            "what was added, or get another copy of the catalog"
        )


@lru_cache
def _schema(version: int) -> frozenset[tuple[str | None, ...]]:
    """Return the rows of ``sqlite_master`` after the first migrations."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for statements in MIGRATIONS[:version]:
            for statement in statements:
                connection.execute(statement)
        return _rows_of_schema(connection, -1)


def _rows_of_schema(
    connection: sqlite3.Connection, limit: int
) -> frozenset[tuple[str | None, ...]]:
    rows = connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT ?", (limit,)
    )
    return frozenset(
        tuple(" ".join(text.split()) if isinstance(text, str) else None for text in row)
        for row in rows
    )


def migrate(
    connection: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS
) -> None:
    """Migrate a database to the newest version, one transaction for each step."""
    while version_of(connection) < len(migrations):
        with transaction(connection):
            version = version_of(connection)  # another process may have migrated it
            if version < len(migrations):
                for statement in migrations[version]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {version + 1}")

"""Workers of a run tell its user once why videos are tried again."""

from __future__ import annotations

import threading

from yt360.catalog.claim_renewal import ClaimRenewal
from yt360.crawl.download.config import DownloadConfig
from yt360.crawl.download.run_state import RunState


def test_the_first_retry_of_each_reason_is_printed(tmp_path):
    notes: list[str] = []
    renewal = ClaimRenewal(tmp_path / "my.catalog", 120.0)
    state = RunState(DownloadConfig(), threading.Event(), renewal, notes.append, print)
    for number, reason in enumerate(["connection", "connection", "truncated"]):
        state.note_retry(f"video-{number}", reason, "no answer", 60.0)
    assert [note.split(":")[:2] for note in notes] == [
        ["video-0", " connection"],
        ["video-2", " truncated"],
    ]

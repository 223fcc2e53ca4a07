"""Which licences allow to pass on media that were cut and converted."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Public domain, CC BY and CC BY-SA, as YouTube, Creative Commons and SPDX write them. Clips are
# changed media, which ND forbids; NC depends on who passes them on, and for what.
_FREE = re.compile(
    r"(cc0|cc zero|public domain|"
    r"(cc|creative commons)[ -]*(by|attribution)([ -]*(sa|share ?alike))?)"
    r"([ -]*\d(\.\d)?)?( (international|unported|universal|mark|dedication|licen[cs]e))*"
    r"( \d\.\d)?( \(reuse allowed\))?",
    re.IGNORECASE,
)
UNKNOWN = "unknown"
"""How counts name videos without a licence; YouTube states none for its standard licence."""


def allows_sharing(licence: str | None) -> bool:
    """Return whether a licence lets anyone pass on changed media, for any purpose.

    Args:
        licence: As in the clips' ``.json``: yt-dlp's "Creative Commons Attribution license (reuse
            allowed)", or what the info file of own footage says, such as "CC BY-SA 4.0" or "CC0".
    """
    text = " ".join((licence or "").split())
    return _FREE.fullmatch(text) is not None


def forbidding(videos_of: Mapping[str, int]) -> dict[str, int]:
    """Return the licences that do not allow sharing, with their numbers of videos."""
    return {name: count for name, count in videos_of.items() if not allows_sharing(name)}

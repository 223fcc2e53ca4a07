"""JavaScript runtimes, which yt-dlp needs for YouTube."""

from __future__ import annotations

from dataclasses import dataclass

from yt_dlp.globals import supported_js_runtimes

# yt-dlp looks for each beside Python and in the PATH, and uses those that are new enough.
JS_RUNTIMES = ("deno", "node", "bun", "quickjs")


@dataclass(frozen=True)
class JsRuntime:
    """A runtime on this machine.

    Attributes:
        name: As in `JS_RUNTIMES`.
        version: Its version.
        usable: False when it is too old for yt-dlp.
    """

    name: str
    version: str
    usable: bool


def js_runtimes() -> list[JsRuntime]:
    """Return the runtimes on this machine; each is run to get its version."""
    known = supported_js_runtimes.value
    found = {name: known[name]().info for name in JS_RUNTIMES if name in known}
    return [
        JsRuntime(name, info.version, bool(info.supported)) for name, info in found.items() if info
    ]


def oldest_version(name: str) -> str:
    """Return the oldest version of a runtime that yt-dlp supports."""
    return ".".join(map(str, supported_js_runtimes.value[name].MIN_SUPPORTED_VERSION))

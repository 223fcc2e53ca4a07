"""JavaScript runtimes, which yt-dlp needs for YouTube: those that it may use, and those here."""

from __future__ import annotations

from dataclasses import dataclass

from yt_dlp.globals import supported_js_runtimes

# yt-dlp looks for each beside Python and in the PATH, and takes what is new enough.
JS_RUNTIMES = ("deno", "node", "bun", "quickjs")


@dataclass(frozen=True)
class JsRuntime:
    """A runtime on this machine.

    Attributes:
        name: As in `JS_RUNTIMES`.
        version: Its version.
        usable: Whether yt-dlp takes it, or it is too old.
    """

    name: str
    version: str
    usable: bool


def js_runtimes() -> list[JsRuntime]:
    """Return the runtimes on this machine, asking each for its version."""
    known = supported_js_runtimes.value
    found = {name: known[name]().info for name in JS_RUNTIMES if name in known}
    return [
        JsRuntime(name, info.version, bool(info.supported)) for name, info in found.items() if info
    ]


def oldest_version(name: str) -> str:
    """Return the oldest version of a runtime that yt-dlp takes."""
    return ".".join(map(str, supported_js_runtimes.value[name].MIN_SUPPORTED_VERSION))

"""Search queries: keyword x language x suffix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from yt360.errors import UserError, did_you_mean
from yt360.terminal.text import shortened
from yt360.untrusted.yaml_files import read_yaml


@dataclass(frozen=True)
class Query:
    """One search query and its language."""

    text: str
    language: str


def load_queries(path: Path | None = None, languages: Sequence[str] = ()) -> list[Query]:
    """Return every combination of a language's keywords and suffixes, without duplicates.

    Languages alternate, so a search that is stopped early has covered all of them.

    Args:
        path: A YAML file in the format of this package's ``queries.yaml``; None for that file.
        languages: Codes of the languages to use; empty for all.

    Raises:
        UserError: The file is missing or has another format, or lacks a language.
    """
    name = str(path or "the built-in queries")
    try:
        content = read_yaml(path or Path(str(files("yt360.crawl.search"))) / "queries.yaml")
    except OSError as error:
        raise UserError(f"cannot read queries from {name}: {error}", "missing", path) from error
    except ValueError as error:
        raise UserError(f"{name} is not YAML: {error}", "invalid", path) from error
    if not isinstance(content, dict) or not isinstance(content.get("languages"), dict):
        message = f"{name} needs `languages:`, with `keywords:` for each language code"
        raise UserError(message, "invalid", "languages")
    offered = content["languages"]
    for code in offered:
        if not isinstance(code, str):
            message = f"{name}: language code {code!r} is not a text; quote it"
            raise UserError(message, "invalid", code)
    for language in languages:
        if language not in offered:
            hint = did_you_mean(language, offered)
            raise UserError(f"{name} has no language {language!r}{hint}", "unknown-name", language)
    chosen = {code: offered[code] for code in (languages or offered)}
    lists = [_texts(code, chosen[code], content.get("suffixes"), name) for code in chosen]
    return _alternate(lists)


def _texts(code: str, language: Any, common: Any, name: str) -> list[Query]:
    own = language if isinstance(language, dict) else {}
    words = _words(own.get("keywords"), f"{name}: language {code!r}: `keywords:`")
    if not words:
        message = f"{name}: language {code!r} needs `keywords:`, a list or map of words"
        raise UserError(message, "invalid", code)
    suffixes = [
        *_words(common, f"{name}: `suffixes:`"),
        *_words(own.get("suffixes"), f"{name}: language {code!r}: `suffixes:`"),
    ] or [""]
    return [Query(f"{word} {suffix}".strip(), code) for suffix in suffixes for word in words]


def _words(value: Any, where: str) -> list[str]:
    """Return the words of a list or of a map's values, or a single word."""
    each = list(value.values()) if isinstance(value, dict) else value
    each = [each] if isinstance(each, str) else [] if each is None else each
    if not isinstance(each, list):
        shown = shortened(repr(value), 80)
        message = f"{where} {shown} is not a list or map of words; quote words like '360'"
        raise UserError(message, "invalid", "words")
    for word in each:
        if not isinstance(word, str):
            shown = shortened(repr(word), 80)
            message = f"{where} {shown} is not a text; quote words like '360' and 'true'"
            raise UserError(message, "invalid", "words")
    return each


def _alternate(lists: Sequence[Sequence[Query]]) -> list[Query]:
    queries: dict[str, Query] = {}
    for index in range(max(map(len, lists), default=0)):
        for each in lists:
            if index < len(each):
                queries.setdefault(each[index].text, each[index])
    return list(queries.values())

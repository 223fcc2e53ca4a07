"""Say in which option two datasets differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def first_difference(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> str | None:
    """Return the name and both values of the first option that differs; None if none does."""
    flat_wanted, flat_present = _flat(wanted), _flat(present)
    for name in sorted(flat_wanted.keys() | flat_present.keys()):
        if flat_wanted.get(name) != flat_present.get(name):
            there, now = (_shown(name, each.get(name)) for each in (flat_present, flat_wanted))
            return f"{name} is {there} there, {now} now"
    return None


def _shown(name: str, value: Any) -> str:
    is_given = name == "test_fraction" and value is None
    return "replaced by --test" if is_given else str(value)


def _flat(options: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in options.items():
        flat.update(_flat(value) if isinstance(value, Mapping) else {name: value})
    return flat

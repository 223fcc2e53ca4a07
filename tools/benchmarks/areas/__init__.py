"""The areas of the benchmark, one module each.

To add an area, add a module with a function ``cases(material)`` that yields the `Case` s of the
area, and `Skipped` for those that cannot be measured on this machine. Inputs come from
`benchmarks.material.Material`; with ``material.tiny`` they should be so small that a case takes
about a second. A test runs every case in this way.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pkgutil import iter_modules

from benchmarks.case import Case, Skipped
from benchmarks.material import Material


def area_names() -> list[str]:
    """Return the names of all areas."""
    return sorted(module.name for module in iter_modules(__path__))


def cases_of(area: str, material: Material) -> Iterable[Case | Skipped]:
    """Return the cases of an area; their inputs are made when they are reached."""
    cases: Iterable[Case | Skipped] = import_module(f"{__name__}.{area}").cases(material)
    return cases

"""Import user code: the modules of ``--plugin``, and objects by name.

A plugin is a module that adds entries to registries (`yt360.registry`) when it is imported. Only
modules that the user names are imported, never those that a file or a checkpoint names.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from yt360.errors import UserError
from yt360.terminal.text import shortened

MAX_PLUGINS, MAX_NAME = 100, 200
_plugins: dict[str, None] = {}


def load_plugins(modules: Iterable[str]) -> None:
    """Import modules, installed or in the current folder, that register entries.

    Raises:
        UserError: A module cannot be imported.
    """
    for module in modules:
        _import(module, "plugin")
        note_plugin(module)


def loaded_plugins() -> tuple[str, ...]:
    """Return the modules that were loaded as plugins or registered an entry, in order.

    Worker processes load them again, and a run records them.
    """
    return tuple(_plugins)


def plugin_names(names: Any) -> tuple[str, ...]:
    """Validate and return module names from a file; nothing is imported.

    Raises:
        ValueError: They are not a list of at most 100 dotted names.
    """
    if not isinstance(names, list) or len(names) > MAX_PLUGINS:
        raise ValueError(f"plugins is not a list of at most {MAX_PLUGINS} names")
    for name in names:
        if not isinstance(name, str) or len(name) > MAX_NAME or not _is_module_name(name):
            raise ValueError(f"{shortened(repr(name), 80)} is not the name of a plugin")
    return tuple(names)


def note_plugin(module: str) -> None:
    """Record a module as loaded; scripts and notebooks (``__main__``) cannot be loaded by name."""
    if module not in ("__main__", "__mp_main__"):
        _plugins[module] = None


def load_object(path: str, what: str) -> Any:
    """Return the object at ``package.module:name``, installed or in the current folder.

    Args:
        path: Module and name.
        what: What the object is, for error messages.

    Raises:
        UserError: `path` has another form, or its module cannot be imported or lacks the name.
    """
    module, _, name = path.partition(":")
    if not name.isidentifier():
        raise UserError(
            f"{what} {shortened(path, 200)!r} is not of the form package.module:name", key=path
        )
    try:
        return getattr(_import(module, what), name)
    except AttributeError:
        raise UserError(f"{what} {path!r}: {module} has no {name}", "missing", path) from None


def _is_module_name(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _import(module: str, what: str) -> Any:
    if not _is_module_name(module):
        raise UserError(
            f"{what} {shortened(module, 200)!r} is not the name of a module, such as my_module or "
            "package.module",
            key=module,
        )
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last, so that files there do not shadow installed modules
    try:
        return import_module(module)
    except UserError:
        raise
    except Exception as error:  # user code may raise anything
        detail = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(
            f"{what} {module} cannot be imported: {shortened(detail, 300)}; give a module that is "
            "installed or lies in the current folder",
            "dependency",
            module,
        ) from error

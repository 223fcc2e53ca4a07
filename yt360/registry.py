"""The registry class behind everything that a user can extend.

Segmenters, quality checks, encoders, tasks and evaluations each have a registry. An entry is one
file with a config dataclass: its field ``kind`` is the name of the entry, its other fields are the
options, the first line of its docstring is the help, and a method (`build` in most registries)
creates the object. Built-in entries are in a table, so that they can be listed without importing
them. Further entries come from

- a module given as ``--plugin MODULE``, or imported by a script, that decorates its config with
  ``@REGISTRY.register``;
- an installed package with an entry point in the registry's group: ``name = "module:Config"``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, Generic, TypeVar

from yt360.errors import UserError, did_you_mean
from yt360.plugins import load_object, note_plugin

Config = TypeVar("Config")
SomeClass = TypeVar("SomeClass", bound=type)


@dataclass(frozen=True)
class Entry:
    """An entry of a registry.

    Attributes:
        name: The name, as in ``kind: NAME``.
        target: Its config class, or the import path of it: ``"module:Class"``.
        help: One-line description.
        needs: Special requirements in a few words; empty if there are none.
        plugin: The module that registered it; empty for built-in entries.
    """

    name: str
    target: type | str
    help: str
    needs: str = ""
    plugin: str = ""

    @property
    def line(self) -> str:
        """Help and needs in one line."""
        return f"{self.help} Needs {self.needs}." if self.needs else self.help


class Registry(Generic[Config]):
    """Config classes by name, built-in ones first.

    Args:
        what: What the entries are, for error messages, such as ``"segmenter"``.
        group: Entry point group of installed packages.
        entries: Built-in entries.
    """

    def __init__(self, what: str, group: str, *entries: Entry) -> None:
        self.what, self.group = what, group
        self._entries = {entry.name: entry for entry in entries}
        self._entry_points_loaded = False

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __contains__(self, name: object) -> bool:
        return name in self._all()

    def __getitem__(self, name: str) -> Entry:
        """Return an entry without importing it.

        Raises:
            UserError: ``"unknown-name"``; the message names the nearest entry.
        """
        entries = self._all()
        if name not in entries:
            raise UserError(
                f"unknown {self.what} {name!r}{did_you_mean(name, entries)}; --plugin MODULE adds "
                "others",
                "unknown-name",
                name,
            )
        return entries[name]

    def entries(self) -> tuple[Entry, ...]:
        """Return all entries, without importing any."""
        return tuple(self._all().values())

    def load(self, name: str) -> type[Config]:
        """Return the config class of an entry; imports its module.

        Raises:
            UserError: There is no such entry, or its module cannot be imported.
        """
        entry = self[name]
        if not isinstance(entry.target, str):
            return entry.target
        config: type[Config] = load_object(entry.target, self.what)
        if entry.plugin:
            note_plugin(entry.plugin)
        return config

    def configure(
        self, name: str, given: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
    ) -> Config:
        """Return the config of an entry with some options set.

        Args:
            name: The entry.
            given: Options by name; text is converted to the type of the option.
            defaults: Values of options that are not in `given`; unknown ones are ignored.

        Raises:
            UserError: There is no such entry, an option is unknown or missing, or a value does not
                have the right type.
        """
        from pydantic import TypeAdapter, ValidationError  # here, because `--help` needs neither

        from yt360.untrusted.parsing import describe

        config, entry = self.load(name), self[name]
        options = {each.name: each for each in fields(config) if each.init and each.name != "kind"}  # type: ignore[arg-type]
        for key in given:
            if key not in options:
                raise UserError(
                    f"{self.what} {name} has no option {key}{did_you_mean(key, options)}",
                    "unknown-name",
                    key,
                )
        defaults = {key: value for key, value in (defaults or {}).items() if key in options}
        values = {**defaults, **given}
        for key, option in options.items():
            if key not in values and option.default is option.default_factory is MISSING:
                needs = f"; it needs {entry.needs}" if entry.needs else ""
                raise UserError(
                    f"{self.what} {name}: the option {key} is not given{needs}", "missing", key
                )
        try:
            return TypeAdapter(config).validate_python(values, strict=False)
        except ValidationError as error:
            where = error.errors()[0]["loc"][:1]
            raise UserError(f"{self.what} {name}: {describe(error)}", "invalid", *where) from None

    def register(self, config: SomeClass) -> SomeClass:
        """Add a config dataclass; a class decorator, above ``@dataclass``.

        The name is the default of the field ``kind``, the help the first line of the docstring, the
        needs the class attribute ``needs`` as text, if there is one. A class that is defined again
        (a cell of a notebook) replaces itself.

        Raises:
            UserError: The class is not a dataclass with a ``kind`` and a docstring, or the name is
                taken.
        """
        name = getattr(config, "kind", None)
        if not is_dataclass(config) or not isinstance(name, str) or not config.__doc__:
            raise UserError(
                f"{config.__name__} cannot be registered as a {self.what}; give it @dataclass, a "
                'docstring and a field `kind: str = "NAME"`',
                key=config.__name__,
            )
        module = config.__module__
        taken = self._all().get(name)
        if taken is not None and taken.plugin != module:
            raise UserError(
                f"{module} registers the {self.what} {name!r}, which "
                f"{taken.plugin or 'this package'} has already; choose another kind",
                "conflict",
                name,
            )
        line = config.__doc__.strip().splitlines()[0]
        self._entries[name] = Entry(name, config, line, str(getattr(config, "needs", "")), module)
        note_plugin(module)
        return config

    def _all(self) -> dict[str, Entry]:
        """Return all entries; a built-in entry takes precedence over an entry point of its name."""
        if not self._entry_points_loaded:
            self._entry_points_loaded = True
            from importlib.metadata import entry_points  # a slow import

            for point in entry_points(group=self.group):
                package = point.dist.name if point.dist else point.module
                entry = Entry(point.name, point.value, f"From {package}.", plugin=point.module)
                self._entries.setdefault(point.name, entry)
        return self._entries

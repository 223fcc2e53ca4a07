"""Configuration: typed classes, read from mappings, with errors that name the key.

A configuration is a frozen dataclass of pydantic::

    @config_class
    class OptimizerConfig:
        \"\"\"How weights are updated.\"\"\"

        lr: Annotated[float, Field(gt=0, le=1e6)] = 1e-4
        \"\"\"Learning rate after the warm-up.\"\"\"

The text under a field is its description. Values are checked wherever an instance is made; types
are strict, unknown keys are refused, and numbers are finite. What depends on two fields is checked
in ``__post_init__``, which raises `conflict`. `from_mapping` reads an instance from nested
mappings, `to_mapping` turns it back, `yt360.config.reference` lists all keys and makes the JSON
schema.

A field of the type ``Annotated[Base, Section(REGISTRY)]`` holds the configuration of an entry of a
registry (`yt360.registry`): the entry that its key ``kind`` names.
"""

from yt360.config.classes import Section, config_class, conflict
from yt360.config.mappings import flatten, from_mapping, merged, to_mapping

__all__ = [
    "Section",
    "config_class",
    "conflict",
    "flatten",
    "from_mapping",
    "merged",
    "to_mapping",
]

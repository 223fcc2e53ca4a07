"""All doors."""

from __future__ import annotations

from fuzzing import (
    doors_catalog,
    doors_dataset,
    doors_media,
    doors_network,
    doors_text,
    doors_weights,
)

DOORS = (
    *doors_dataset.DOORS,
    *doors_catalog.DOORS,
    *doors_weights.DOORS,
    *doors_media.DOORS,
    *doors_network.DOORS,
    *doors_text.DOORS,
)

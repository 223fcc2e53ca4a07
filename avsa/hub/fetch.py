"""Trained models from a hub, in the cache of huggingface_hub."""

from __future__ import annotations

from pathlib import Path

from avsa.hub.saved import WEIGHTS_FILE
from yt360.errors import UserError
from yt360.files import sha256_of
from yt360.hub.address import HubAddress
from yt360.hub.repository import Access, HubRepository

_SHA256_LENGTH = 64


def fetch_model(address: HubAddress, access: Access | None = None) -> Path:
    """Return the weights of a model on a hub; they are downloaded unless the cache has them.

    Large files are stored in the cache under the SHA-256 that the hub states for them, and their
    content is compared with it, also if the hub cannot be reached. Weights are safetensors files,
    so loading them executes no code.

    Args:
        address: The model.
        access: How the hub is reached.

    Raises:
        UserError: ``"missing"``: There is no such model, or the token must not read it.
            ``"invalid"``: The weights do not have their sum. ``"network"``: The hub cannot be
            reached, and the cache has no weights.
    """
    path = HubRepository(address, access).download_to_cache(WEIGHTS_FILE)
    stored = path.resolve()
    if len(stored.name) == _SHA256_LENGTH and sha256_of(stored) != stored.name:
        stored.unlink()
        raise UserError(
            f"{WEIGHTS_FILE} of {address} does not have the sum that the hub states, and was "
            "removed; run the same command again",
            key=address,
        )
    return path

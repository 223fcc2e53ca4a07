"""Trained models from a hub, in the cache of huggingface_hub, and from a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from avsa.hub.saved import WEIGHTS_FILE
from avsa.training.checkpoint import FOLDER, checkpoint_step
from yt360.buckets.address import as_url, is_read_only
from yt360.buckets.bucket import Bucket
from yt360.errors import UserError
from yt360.files import resolved, sha256_of
from yt360.hub.address import HubAddress, is_address, parse_address
from yt360.hub.repository import Access, HubRepository
from yt360.shards.bucket.workspace import named_by_url

MAX_MODEL_BYTES = 4 << 30
"""Size limit of a model in a bucket, as of all files of weights."""
_SHA256_LENGTH = 64
_ATTEMPTS = 3
"""How often the newest checkpoint is looked for: a running training replaces it."""


@contextmanager
def local_model(checkpoint: str | Path, bucket: Bucket | None = None) -> Iterator[Path]:
    """Yield the path of a model on this machine.

    A model on a hub stays in the cache; a copy of one in a bucket exists during the block only.

    Args:
        checkpoint: A path, the address of a model on a hub, or the URL of a run (its newest
            checkpoint), an exported folder or one of their files in a bucket.
        bucket: The objects of the folder at the URL; by default those there.

    Raises:
        UserError: See `fetch_model`. For a bucket: ``"missing"``: There is no model;
            ``"network"``: It cannot be read.
    """
    text = str(checkpoint)
    if is_address(text):
        yield fetch_model(parse_address(text, "model"))
        return
    url = as_url(text)
    if url is None or is_read_only(url):
        yield Path(checkpoint)
        return
    with TemporaryDirectory(prefix="avsa-model-") as folder:
        path = _fetch_from_bucket(url, Path(folder), bucket)
        try:
            yield path
        except UserError as error:
            raise named_by_url(error, path, url) from None


def _fetch_from_bucket(url: str, folder: Path, bucket: Bucket | None) -> Path:
    """Copy the file of a model in a bucket into a folder; return its path there."""
    parent, _, file = url.rpartition("/")
    is_file = file.endswith((".pt", ".safetensors"))
    bucket = bucket or Bucket(parent if is_file else url)
    for _ in range(_ATTEMPTS):
        name = file if is_file else _model_file(bucket)
        found = None if name is None else bucket.read(name, MAX_MODEL_BYTES)
        if name is not None and found is not None:
            path = folder / Path(name).name
            path.write_bytes(found.content)
            return path
    raise UserError(
        f"{url} has no model; give a run with a checkpoint, an exported folder, or one of their "
        "files",
        "missing",
        url,
    )


def _model_file(bucket: Bucket) -> str | None:
    """Return the newest checkpoint of a run in a bucket, or the weights of an exported model."""
    names = bucket.sizes()
    steps = {
        name: step
        for name in names
        if name.startswith(f"{FOLDER}/") and (step := checkpoint_step(Path(name))) >= 0
    }
    return max(
        steps, key=steps.__getitem__, default=WEIGHTS_FILE if WEIGHTS_FILE in names else None
    )


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
    stored = resolved(path)
    if len(stored.name) == _SHA256_LENGTH and sha256_of(stored) != stored.name:
        stored.unlink()
        raise UserError(
            f"{WEIGHTS_FILE} of {address} does not have the sum that the hub states, and was "
            "removed; run the same command again",
            key=address,
        )
    return path

"""Reading pickled NumPy arrays without giving the file a way to run code."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from yt360.errors import UserError


class ArrayUnpickler(pickle.Unpickler):
    """An unpickler that can build arrays and plain containers and nothing else.

    The names below are all that detectron2's published files need. Everything else, such as
    ``os.system``, is refused by name before it is imported.
    """

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the allowed builders.

        Raises:
            UserError: The file asks for anything else.
        """
        allowed: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("numpy.core.multiarray", "_reconstruct"): _empty_array,
            ("numpy._core.multiarray", "_reconstruct"): _empty_array,
            ("_codecs", "encode"): _latin1,
        }
        if (module, name) not in allowed:
            raise UserError(
                f"the file wants to run {module}.{name}, which no checkpoint of arrays needs; "
                "it was not opened further. Get the checkpoint from its publisher again."
            )
        return allowed[module, name]


def load_arrays(path: Path) -> Any:
    """Return the content of a pickle of arrays.

    Raises:
        UserError: The file is no pickle, is cut short, or holds anything but arrays, numbers,
            strings and plain containers.
    """
    try:
        return ArrayUnpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError) as error:
        raise UserError(f"{path} cannot be read as a pickle of arrays: {error}") from None
    except (AttributeError, MemoryError, OverflowError, SystemError) as error:
        raise UserError(f"{path} is a damaged pickle: {type(error).__name__}") from None


def _empty_array(kind: Any, shape: Any, dtype: Any) -> np.ndarray:
    if kind is not np.ndarray or shape != (0,):
        raise UserError(f"an array of kind {kind!r} and shape {shape!r} is not plain")
    return np.ndarray.__new__(np.ndarray, shape, dtype)


def _latin1(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise UserError(f"text in encoding {encoding!r}; arrays use latin1")
    return text.encode("latin1")

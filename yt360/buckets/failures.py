"""What errors of object stores mean; their packages are not imported."""

from __future__ import annotations

import errno
from typing import Any

from yt360.errors import ErrorCode, UserError
from yt360.terminal.text import printable, shortened

PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
"""URL scheme -> package that fsspec needs for it."""
_MAX_TEXT = 300
_CONDITION_FAILED = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})
_NO_CONDITIONS = frozenset({"NotImplemented", "501"})
# Exceptions of botocore and of Google's client, by name, as neither need be installed.
_NO_CREDENTIALS = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "TokenRetrievalError"}
)
_MALFORMED = frozenset({"ParamValidationError", "InvalidBucketName", "InvalidRegionError"})


class Changed(UserError):
    """An object is not what this program wrote or read last: another program writes to it."""


def changed(url: str) -> Changed:
    """Return the error for an object that another program has changed."""
    return Changed(
        f"{url} was changed by another program; let only one write to it, and run the same "
        "command again to continue",
        code="in-use",
        key=url,
    )


def is_condition_failed(error: BaseException) -> bool:
    """Return whether a conditional write was refused because of its condition."""
    return isinstance(error, FileExistsError) or _code(error) in _CONDITION_FAILED


def lacks_conditions(error: BaseException) -> bool:
    """Return whether a store refused a write because it does not know conditions."""
    return _code(error) in _NO_CONDITIONS or (
        isinstance(error, OSError) and error.errno == errno.ENOSYS
    )


def is_final(error: Exception) -> bool:
    """Return whether another attempt is useless."""
    return (
        isinstance(
            error, UserError | FileNotFoundError | PermissionError | ImportError | ValueError
        )
        or type(error).__name__ in _NO_CREDENTIALS | _MALFORMED
    )


def explained(url: str, error: Exception) -> UserError:
    """Return an error of a store as one line with what to do."""
    if isinstance(error, UserError):
        return error
    text = shortened(printable(" ".join(str(error).split())), _MAX_TEXT)
    code: ErrorCode = "network"
    if isinstance(error, FileNotFoundError):
        code = "missing"
        line = f"{url} does not exist ({text or 'not found'}); check its name, or create its bucket"
    elif isinstance(error, PermissionError):
        code = "system"
        line = (
            f"{url} cannot be accessed with these credentials ({text}); give them rights to read, "
            "write, list and delete there, or use others"
        )
    elif type(error).__name__ in _NO_CREDENTIALS:
        code = "system"
        line = f"there are no credentials for {url} ({text}); for s3://, set AWS_PROFILE"
    elif isinstance(error, ImportError):
        scheme = url.partition(":")[0]
        package = PACKAGES.get(scheme)
        code = "dependency"
        line = f"{url} needs " + (f"{package}: `pip install {package}`" if package else text)
    elif type(error).__name__ in _MALFORMED or (
        isinstance(error, ValueError) and not isinstance(error, OSError)  # a certificate is both
    ):
        code, line = "invalid", f"{url} is not an address that can be used: {text}"
    else:
        name = "" if isinstance(error, OSError) else f"{type(error).__name__}: "
        line = f"{url} cannot be reached: {name}{text}; run the same command again to continue"
    return UserError(line, code=code, key=url)


def _code(error: BaseException | None) -> str | None:
    """Return the code of an error of S3, which fsspec attaches as the cause of its own."""
    while error is not None:
        response: Any = getattr(error, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code"))
        error = error.__cause__
    return None

"""Whether a CPU computes in bfloat16, and computes the same in equal calls.

Some kernels read uninitialized memory. Convolutions of torch 2.13 did, in bfloat16 and
channels_last on some CPUs: gradients of equal steps differed by up to 1e35, or were NaN. Which
options are safe depends on the version of torch, the CPU and the layers. Therefore the networks at
hand are computed several times, with NaN in freed memory, and the results are compared with each
other and with those in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor, nn

from avsa.models.compute import Choice, ComputeConfig

# Returns the results of a fixed computation, such as gradients or features, with some options.
Computation: TypeAlias = Callable[[ComputeConfig], Sequence[Tensor]]

REPEATS = 3
# Maximum distance from the result in float32, relative to its norm. It is 0.3 to 0.53 for gradients
# of new networks that are rounded to bfloat16, and 1.4 for unrelated gradients of the same norm.
TOLERANCE = 0.8
# NaN for float32 and for each half of it as bfloat16.
_NAN_BITS = 0x7FC07FC0
# Up to 16 MiB: glibc maps blocks of 32 MiB or more anew, with zeros.
_FREED_BYTES = tuple(1 << power for power in range(10, 25))
_UNITS = ("avx512_bf16", "amx_bf16")


def has_bfloat16_units() -> bool:
    """Return whether this CPU multiplies in bfloat16 (AVX512-BF16 or AMX).

    Other CPUs emulate it and are slower than in float32.
    """
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in _UNITS)


def options_to_try(wanted: ComputeConfig, units: bool) -> list[ComputeConfig]:
    """Return the wanted options for a CPU, then with fewer of them on, finally with none on.

    Options that are ``auto`` stay so where that means off.

    Args:
        wanted: ``auto`` means on for bfloat16 if the CPU has units for it, and for channels_last if
            bfloat16 is on.
        units: Whether it has.
    """
    return [
        replace(wanted, bfloat16=bfloat16, channels_last=channels_last)
        for bfloat16 in _choices(wanted.bfloat16, units)
        for channels_last in _choices(wanted.channels_last, bfloat16 == "on")
    ]


def is_repeatable(
    compute: Computation, options: ComputeConfig, in_float32: Callable[[], Sequence[Tensor]]
) -> bool:
    """Return whether a computation gives equal results every time, close to those in float32."""
    reference = in_float32()
    first: Sequence[Tensor] | None = None
    for _ in range(REPEATS):
        _leave_nan_in_freed_memory()
        results = compute(options)
        if first is None:
            first = results
            errors = [one - other for one, other in zip(first, reference, strict=True)]
            limit = TOLERANCE * nn.utils.get_total_norm(reference)
            if not nn.utils.get_total_norm(errors) <= limit:  # also false for NaN
                return False
        elif not all(map(torch.equal, results, first)):
            return False
    return True


def _choices(wanted: Choice, automatic: bool) -> list[Choice]:
    if wanted == "on":
        return ["on", "off"]
    return ["on", "auto"] if wanted == "auto" and automatic else [wanted]


def _leave_nan_in_freed_memory() -> None:
    """Write NaN to blocks of many sizes and free them, so that later allocations contain them."""
    blocks = [torch.full((size // 4,), _NAN_BITS, dtype=torch.int32) for size in _FREED_BYTES]
    del blocks

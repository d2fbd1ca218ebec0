"""Memory that a command frees stays with it until it ends, ready for the next tensor."""

from __future__ import annotations

import ctypes
import os
import sys

# Of glibc's mallopt: from which size on a block is a mapping of its own, and how much that is free goes back.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_SIZES = 2**30, 2**25  # Bytes; some versions take no more than the second.


def keep_freed_memory() -> None:
    """Have glibc keep what is freed, where it gives large blocks back to the system at once.

    A step makes and frees the same tensors as the one before. Pages that come back from the system are cleared one by
    one: a fifth of the CPU time of a short fit of convolutions, a twentieth of one of large linear layers. A process
    holds no more memory at its peak, but for longer. Whoever has said how in the environment is obeyed, and other
    systems are left as they are.

    Source: https://sourceware.org/glibc/manual/latest/html_node/Malloc-Tunable-Parameters.html
    """
    if sys.platform != "linux" or any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # Of another C library.
        return
    if any(mallopt(_MMAP_THRESHOLD, size) for size in _SIZES):
        mallopt(_TRIM_THRESHOLD, _SIZES[0])

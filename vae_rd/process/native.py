"""How the C libraries below torch are set, where what these do by themselves suits other programs.

Whoever has said in the environment what is wanted of a library is obeyed.
"""

from __future__ import annotations

import ctypes
import os
import sys

# Of glibc's mallopt: how much that is free goes back, and from which size on a block is a mapping of its own.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_SIZES = 2**30, 2**25  # Bytes; some versions take no more than the second.
SPINS = 3000


def keep_freed_memory() -> None:
    """Have glibc keep what is freed, where it gives large blocks back to the system at once; for commands.

    A step makes and frees the same tensors as the one before. Pages that come back from the system are cleared one by
    one: a tenth of the CPU time of a short fit of convolutions, 3 to 6 % of one of large linear layers. A process
    holds no more memory at its peak, but for longer. Other systems are left as they are.

    Source: https://sourceware.org/glibc/manual/latest/html_node/Malloc-Tunable-Parameters.html
    """
    if sys.platform != "linux" or any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # Of another C library.
        return
    if any(mallopt(_MMAP_THRESHOLD, size) for size in _SIZES):
        mallopt(_TRIM_THRESHOLD, _SIZES[0])


def wait_briefly() -> None:
    """Have GNU's OpenMP, which torch is built with on Linux, sleep soon where one thread waits for another.

    It keeps a core busy for a while at each wait. That is fastest on an idle machine, by 3 % for a small network, but
    where any other program is at work on one of the cores, the thread that shares it is late at each of thousands of
    waits: beside one busy process a fit of digits on two cores took 60 to 81 s instead of 7. It reads this as it is
    loaded, with torch, and so do the processes that this one starts.

    Source: https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))

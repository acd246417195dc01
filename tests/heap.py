"""Memory in use. Unlike resident memory, it does not depend on how threads were scheduled.

https://man7.org/linux/man-pages/man3/mallinfo.3.html, glibc only.
"""

from __future__ import annotations

import ctypes
import gc

HEAP_TELLS = hasattr(ctypes.CDLL(None), "mallinfo2")
_MALLINFO = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class _Mallinfo(ctypes.Structure):
    """The result of mallinfo2."""

    _fields_ = [(name, ctypes.c_size_t) for name in _MALLINFO]


def heap_bytes() -> int:
    """Return the bytes allocated by malloc. PYTHONMALLOC=malloc includes Python's small objects. 0 without glibc."""
    if not HEAP_TELLS:
        return 0
    tell = ctypes.CDLL(None).mallinfo2
    tell.restype = _Mallinfo
    gc.collect()
    info = tell()
    return int(info.uordblks + info.hblkhd)

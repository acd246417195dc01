"""How much memory is in use: other than what is resident, this does not depend on how threads took turns.

https://man7.org/linux/man-pages/man3/mallinfo.3.html, of glibc alone.
"""

from __future__ import annotations

import ctypes
import gc

HEAP_TELLS = hasattr(ctypes.CDLL(None), "mallinfo2")
_MALLINFO = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class _Mallinfo(ctypes.Structure):
    """What mallinfo2 gives."""

    _fields_ = [(name, ctypes.c_size_t) for name in _MALLINFO]


def heap_bytes() -> int:
    """Bytes in use of what malloc gave, Python's small objects among them under PYTHONMALLOC=malloc. 0 without glibc."""
    if not HEAP_TELLS:
        return 0
    tell = ctypes.CDLL(None).mallinfo2
    tell.restype = _Mallinfo
    gc.collect()
    info = tell()
    return int(info.uordblks + info.hblkhd)

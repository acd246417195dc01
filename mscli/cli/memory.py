"""Memory that a frame gives back is kept for the next one.

The C library returns large blocks to the system when they are freed, and the system gives them back page by page, zeroed: for a
1080p frame that is scaled, as much work again as the scaling. https://man7.org/linux/man-pages/man3/mallopt.3.html
"""

from __future__ import annotations

import sys
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 64 * 1024 * 1024  # free at the end of the heap before any is returned
_BLOCK_BYTES = 32 * 1024 * 1024  # the largest block that comes from the heap, the most that glibc takes


def keep_freed_memory() -> None:
    """Have the C library keep what is freed; where it has no such setting, nothing happens."""
    if sys.platform != "linux":
        return
    import ctypes

    with suppress(AttributeError, OSError):  # not glibc
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _BLOCK_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)

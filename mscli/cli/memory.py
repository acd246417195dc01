"""Keep the memory that one frame frees for the next one.

The C library returns large freed blocks to the system. The system hands them out again page by page, zeroed. For a 1080p frame
that is scaled, this takes as long as the scaling itself. https://man7.org/linux/man-pages/man3/mallopt.3.html
"""

from __future__ import annotations

import sys
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 64 * 1024 * 1024  # how much free memory the heap keeps
_BLOCK_BYTES = 32 * 1024 * 1024  # the largest block allocated from the heap: glibc's maximum


def keep_freed_memory() -> None:
    """Configure the C library to keep freed memory. Does nothing if it has no such setting."""
    if sys.platform != "linux":
        return
    import ctypes

    with suppress(AttributeError, OSError):  # not glibc
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _BLOCK_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)

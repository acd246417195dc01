"""What is said to people may fail to be said: that ends no command, and changes no exit code."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def forgiving_stderr() -> Iterator[None]:
    """Within it stderr may be full, or its reader gone. What is left of it then goes nowhere, at the interpreter's end too."""
    try:
        yield
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)

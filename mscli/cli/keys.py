"""Read single keys during a command: put the terminal into cbreak mode, and restore it afterwards.

https://man7.org/linux/man-pages/man3/termios.3.html. Signals from the keyboard (Ctrl-C, Ctrl-Z) keep working.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

_MOST_BYTES = 64  # the most that one read takes
_LEAVING = tuple(getattr(signal, name) for name in ("SIGTSTP", "SIGQUIT") if hasattr(signal, name))  # Ctrl-Z, Ctrl-\\


class Keys:
    """The keys pressed on the terminal of stdin. There are none if stdin is not a terminal.

    A background process may neither read nor configure its terminal, so the terminal is only used in the foreground.
    """

    def __init__(self, *, wanted: bool = True) -> None:
        self._fd = _stdin_terminal() if wanted else None
        self._before: Any = None  # the terminal's original attributes, while they are changed
        self._handlers: dict[int, Any] = {}  # the original handlers of these signals

    def __enter__(self) -> Keys:
        for number in _LEAVING if self._fd is not None else ():
            if signal.getsignal(number) is signal.SIG_DFL:
                self._handlers[number] = signal.signal(number, self._leave)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._give_back()

    @property
    def there(self) -> bool:
        """Return whether there is a terminal to read keys from."""
        return self._fd is not None

    def pressed(self) -> str:
        """Return the keys pressed since the last call. Never waits."""
        if self._fd is None or not _in_foreground(self._fd):
            return ""
        import select
        import termios

        with suppress(OSError, termios.error):  # the terminal is closed
            self._take()
            ready = select.select([self._fd], [], [], 0)[0]
            return os.read(self._fd, _MOST_BYTES).decode(errors="replace") if ready else ""
        return ""

    def _take(self) -> None:
        if self._before is None and self._fd is not None:
            import termios
            import tty

            self._before = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd, termios.TCSANOW)

    def _give_back(self) -> None:
        if self._before is None or self._fd is None:
            return
        import termios

        if _in_foreground(self._fd):  # otherwise the terminal belongs to another job, or is closed
            with suppress(OSError, termios.error):
                termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)
        self._before = None

    def _leave(self, number: int, _frame: FrameType | None) -> None:
        """Stop or end with the terminal restored. After a continue, ``pressed`` sets it up again."""
        self._give_back()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)  # the process stops here
        signal.signal(number, self._leave)


def _in_foreground(terminal: int) -> bool:
    """Return whether this process group may read the terminal. A closed terminal cannot be read."""
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False


def _stdin_terminal() -> int | None:
    """Return stdin's descriptor if it is this process's controlling terminal, or else None."""
    if not hasattr(os, "tcgetpgrp") or sys.stdin is None or not sys.stdin.isatty():
        return None
    try:
        os.tcgetpgrp(sys.stdin.fileno())
    except OSError:  # a terminal, but not the controlling one
        return None
    return sys.stdin.fileno()

"""Keys that are pressed while a command runs, without Enter: a terminal in cbreak mode, given back as it was.

https://man7.org/linux/man-pages/man3/termios.3.html. Signals of the keyboard (Ctrl-C, Ctrl-Z) stay what they are.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

_MOST_BYTES = 64  # that are read at once
_LEAVING = tuple(getattr(signal, name) for name in ("SIGTSTP", "SIGQUIT") if hasattr(signal, name))  # Ctrl-Z, Ctrl-\\


class Keys:
    """The keys pressed on the terminal that is stdin, while it is entered; none where stdin is no terminal.

    A process in the background may neither read nor set its terminal: it does so from when it is in the foreground.
    """

    def __init__(self, *, wanted: bool = True) -> None:
        self._fd = _stdin_terminal() if wanted else None
        self._before: Any = None  # the terminal's attributes, while they are changed
        self._handlers: dict[int, Any] = {}  # who handled these signals before

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
        """Whether there is a terminal whose keys can be read."""
        return self._fd is not None

    def pressed(self) -> str:
        """What was pressed since the last time; never waits."""
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

        if _in_foreground(self._fd):  # else the terminal is another job's by now, or closed
            with suppress(OSError, termios.error):
                termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)
        self._before = None

    def _leave(self, number: int, _frame: FrameType | None) -> None:
        """Stop or end with the terminal as it was; if it goes on, ``pressed`` takes it again."""
        self._give_back()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)  # it stops here
        signal.signal(number, self._leave)


def _in_foreground(terminal: int) -> bool:
    """Whether the terminal is ours to read; not one that is closed."""
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False


def _stdin_terminal() -> int | None:
    """The descriptor of stdin, if it is this process's terminal and the system has such."""
    if not hasattr(os, "tcgetpgrp") or sys.stdin is None or not sys.stdin.isatty():
        return None
    try:
        os.tcgetpgrp(sys.stdin.fileno())
    except OSError:  # a terminal, but not the controlling one
        return None
    return sys.stdin.fileno()

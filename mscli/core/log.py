"""The log: one logger for each part of the program (``mscli.v4l2``, ``mscli.device`` ...), at no cost while unused.

    logging.basicConfig()
    logging.getLogger("mscli").setLevel(logging.DEBUG)

This module does not import ``logging``, which would add milliseconds to the start. Anyone who listens has imported it already.
https://docs.python.org/3/library/logging.html
"""

from __future__ import annotations

import sys
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger

ROOT = "mscli"
DEBUG, INFO, WARNING = 10, 20, 30  # the same values as in ``logging``
BURST_S = 1.0  # the interval between log lines of a burst that continues

_CALLER = 3  # stack frames from ``Logger.log`` to the caller of ``debug``


class Log:
    """The log of one part of the program. Its methods take the same arguments as those of ``logging.Logger``."""

    __slots__ = ("_logger", "_room")

    def __init__(self, room: str) -> None:
        self._room = room
        self._logger: Logger | None = None

    @property
    def debugs(self) -> bool:
        """Return whether debug lines are enabled. Check this before building an expensive message."""
        return self.hears(DEBUG)

    def hears(self, level: int) -> bool:
        """Return whether lines of this level are enabled."""
        logger = self._logger or self._found()
        return logger is not None and logger.isEnabledFor(level)

    def debug(self, message: str, *arguments: object) -> None:
        """Log a request, an answer or a choice."""
        self._log(DEBUG, message, arguments)

    def info(self, message: str, *arguments: object) -> None:
        """Log a beginning, an end or a change."""
        self._log(INFO, message, arguments)

    def warning(self, message: str, *arguments: object) -> None:
        """Log a loss."""
        self._log(WARNING, message, arguments)

    def _log(self, level: int, message: str, arguments: tuple[object, ...]) -> None:
        logger = self._logger or self._found()
        if logger is not None and logger.isEnabledFor(level):
            logger.log(level, message, *arguments, stacklevel=_CALLER)

    def _found(self) -> Logger | None:
        """Return the logger, or None until somebody imports ``logging``."""
        logging = sys.modules.get("logging")
        if logging is None or not hasattr(logging, "NullHandler"):  # another thread may be importing it right now
            return None
        root = logging.getLogger(ROOT)
        if not root.handlers:
            root.addHandler(logging.NullHandler())  # otherwise unhandled warnings would go to stderr
        self._logger = logging.getLogger(f"{ROOT}.{self._room}")
        return self._logger


class Burst:
    """A counter of frequent incidents. It logs a warning at the end of a burst, and every ``BURST_S`` during it.

    ``message`` is formatted with the count, then the arguments of ``note``. All calls come from one thread, or hold one lock.
    """

    __slots__ = ("_arguments", "_count", "_log", "_message", "_since_s")

    def __init__(self, log: Log, message: str) -> None:
        self._log = log
        self._message = message
        self._count = 0
        self._arguments: tuple[object, ...] = ()
        self._since_s = 0.0

    def note(self, count: int, *arguments: object) -> None:
        """Add ``count`` incidents."""
        if not (count and self._log.hears(WARNING)):
            return
        now_s = monotonic()
        if not self._count:
            self._since_s = now_s
        self._count += count
        self._arguments = arguments
        if now_s - self._since_s >= BURST_S:
            self.end()

    def end(self) -> None:
        """Log the count if it is not zero."""
        if self._count:
            count, self._count = self._count, 0
            self._log.warning(self._message, count, *self._arguments)

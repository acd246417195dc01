"""Add and open FFmpeg's encoders and streams. Defines the time base of video.

https://ffmpeg.org/doxygen/trunk/group__lavc__encoding.html
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import av.container

from mscli.core.errors import NotSupportedError
from mscli.core.log import Log
from mscli.core.threads import lack_of_threads, tasks

if TYPE_CHECKING:
    Packet = av.Packet[Any]

TICKS = 90_000  # per second, for video timestamps: at least as fine as every container
TIME_BASE = Fraction(1, TICKS)
_log = Log("encode")
_TOLD = ("width", "height", "pix_fmt", "bit_rate", "gop_size", "thread_count", "sample_rate", "layout")
_NO_ENCODER = "the installed PyAV has no encoder “{}”"


def add_stream(file: av.container.OutputContainer, encoder: str, rate: Fraction | None = None) -> object:
    """Return a new stream with an encoder (FFmpeg's name). Raises NotSupportedError if the encoder does not exist."""
    try:
        return file.add_stream(encoder, rate)
    except (av.FFmpegError, ValueError) as error:
        raise NotSupportedError(_NO_ENCODER.format(encoder), hints=["choose another codec"]) from error


def open_encoder(context: av.CodecContext, options: Mapping[str, str], title: str, shape: str) -> None:
    """Open a configured encoder.

    Raises NotSupportedError that names ``title`` and ``shape`` if it does not open, and OperationError for lack of threads.
    """
    context.options = dict(options)
    if _log.debugs:
        _log.debug("%s: open for %s: %s", context.name, shape or title, _described(context, options))
    try:
        with usual_scheduling():
            context.open()
    except av.FFmpegError as error:
        _log.debug("%s: not opened: %s", context.name, error.strerror)
        if (lack := lack_of_threads()) is not None:
            raise lack from error
        raise NotSupportedError(f"{title} cannot encode {shape}: {error.strerror}", hints=["choose another codec"]) from error


def _described(context: Any, options: Mapping[str, str]) -> str:
    """Format the settings of an encoder for the log."""
    known = (f"{name}={getattr(value, 'name', value)}" for name in _TOLD if (value := getattr(context, name, None)))
    return " ".join([*known, *(f"{name}={value}" for name, value in options.items())])


@contextmanager
def usual_scheduling() -> Iterator[None]:
    """Undo the real-time priority that an encoder sets.

    SVT-AV1, if root runs it, gives its threads and the caller's precedence over everything on the machine. Threads that they
    start inherit this.
    """
    real_time = (os.SCHED_FIFO, os.SCHED_RR) if hasattr(os, "SCHED_FIFO") else ()
    usual = not real_time or os.sched_getscheduler(0) not in real_time  # otherwise somebody set it on purpose
    yield
    for thread in tasks() if real_time and usual else ():
        with suppress(ProcessLookupError, PermissionError):
            if os.sched_getscheduler(thread) in real_time:
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))

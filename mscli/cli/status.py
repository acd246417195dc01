"""The line that shows, on a terminal, how a recording goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mscli.api.recording import Recording
from mscli.cli.report import measured_rate
from mscli.cli.say import Voice
from mscli.core.clock import MICROSECONDS, now_us


@contextmanager
def status_line(voice: Voice, recording: Recording) -> Iterator[Callable[[], None]]:
    """Within it the yielded function redraws the line; off a terminal it does nothing."""
    if not voice.live:
        yield lambda: None
        return
    from rich.console import Console

    started_us = now_us()
    with Console(stderr=True).status("recording", spinner="dots") as status:
        yield lambda: status.update(describe(recording, (now_us() - started_us) / MICROSECONDS))


def describe(recording: Recording, elapsed_s: float) -> str:
    """Elapsed time, size, frame rate and losses of a recording that goes on."""
    minutes, seconds = divmod(int(elapsed_s), 60)
    rates = [
        rate for track, count in zip(recording.tracks, recording.counts, strict=True) if (rate := _rate(track.kind, count))
    ]
    lost = sum(recording.dropped) + sum(track.lost for track in recording.tracks)
    told = [f"{minutes}:{seconds:02}", f"{recording.bytes_written / 1e6:.1f} MB", *rates, *([f"{lost} lost"] if lost else [])]
    return f"recording  {'  '.join(told)}  (Ctrl-C ends)"


def _rate(kind: str, count: object) -> str:
    from mscli.core.frames import Counts

    rate = measured_rate(count) if kind == "video" and isinstance(count, Counts) else None
    return f"{rate:.1f} frames/s" if rate else ""

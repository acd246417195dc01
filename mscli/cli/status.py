"""The status line of ``record`` and ``capture`` on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.api.recording import Recording
from mscli.cli.report import bits_text, duration_text, measured_rate, size_text
from mscli.cli.say import Voice
from mscli.cli.style import styled
from mscli.core.addresses import scheme_of
from mscli.core.clock import DAY_S
from mscli.core.eventloop import EventLoop
from mscli.core.frames import AudioData, Counts
from mscli.core.level import FLOOR_DB, Levels, MeterReading, PeakHold, decibels, peak
from mscli.core.tuples import NamedTuple

# How loud a microphone is: the peak of its samples, read in addition to the recording while the line is shown.


class Meter:
    """The peak of some tracks since the last read. Bound: the bounds of their queues."""

    def __init__(self, tracks: list[MediaStreamTrack]) -> None:
        self._event_loop = EventLoop()
        self._queues = [(track, track.open_queue(self._event_loop)) for track in tracks]

    def read(self) -> float | None:
        """Return the peak from 0 to 1, or None if there was no sound."""
        blocks = iter(lambda: self._event_loop.take(0), None)
        return max((peak(taken.frame) for taken in blocks if isinstance(taken.frame, AudioData)), default=None)

    def close(self) -> None:
        """Stop listening."""
        for track, queue in self._queues:
            track.close_queue(queue)


_BAR = 8  # the width of the meter in characters
_SHORT_S = 60  # a disk with room for less is shown in red
_GAP = "  "  # between the items of the line


class SoundMeter:
    """The meter of the microphones among some tracks, with its recent peaks."""

    def __init__(self, tracks: Sequence[MediaStreamTrack]) -> None:
        self._meter = Meter([track for track in tracks if track.kind == "audio"])
        self._peaks = PeakHold()

    def read(self) -> MeterReading | None:
        """Return what to show, or None if there is no sound."""
        return self._peaks.read(self._meter.read())

    def close(self) -> None:
        """Stop listening."""
        self._meter.close()


class Progress(NamedTuple):
    """The progress of a run so far."""

    tracks: Sequence[MediaStreamTrack]
    counts: Sequence[Counts]
    seconds: float  # from the first frame to the last
    size: int  # bytes
    paused: bool = False
    dropped: int = 0
    damaged: int = 0
    disk_s: float | None = None  # how long the disk has room, if that is known
    files: int = 0  # how many files of a series were begun
    armed: bool = False  # whether it waits for a trigger
    published: Sequence[tuple[str, Any]] = ()  # the name and the progress of each stream to a server

    @property
    def state(self) -> str:
        """Return a key of ``_STATES``."""
        return "paused" if self.paused else "armed" if self.armed else "recording"


def progress_of(recording: Recording, *, paused: bool) -> Progress:
    """Return the progress of a recording."""
    return Progress(
        recording.tracks,
        recording.counts,
        recording.recorded_s,
        recording.bytes_written,
        paused,
        sum(recording.dropped),
        recording.damaged,
        recording.seconds_left,
        recording.begun_files,
        recording.armed,
        recording.published,
    )


class Item(NamedTuple):
    """An item of the line. A narrow terminal drops the items of the highest rank first."""

    text: str
    rank: int
    style: str = ""


Refresh = Callable[[Progress], None]

_STATES = {"armed": ("○", "bold green"), "recording": ("●", "bold red"), "paused": ("‖", "bold yellow")}


@contextmanager
def status_line(voice: Voice, tracks: Sequence[MediaStreamTrack], keys: str, trigger: str = "") -> Iterator[Refresh]:
    """Yield a function that draws the line, given the progress. Without a terminal it does nothing.

    ``keys``: the keys that work. ``trigger``: what begins a file.
    """
    if not voice.live:
        yield lambda _: None
        return
    meter = SoundMeter(tracks)

    def draw(progress: Progress) -> None:
        items = fitting(status_items(progress, meter.read(), keys, trigger), voice.columns - 1)
        voice.show_status(*line_of(items))

    try:
        yield draw
    finally:
        voice.show_status("", 0)
        meter.close()


def status_items(progress: Progress, sound: MeterReading | None, keys: str, trigger: str) -> list[Item]:
    """Return the items of the line, from left to right."""
    sign, style = _STATES[progress.state]
    clock = "" if progress.armed else f" {duration_text(progress.seconds)}"
    lost = progress.dropped + sum(track.lost for track in progress.tracks)
    rates = (
        measured_rate(counts) if track.kind == "video" else None
        for track, counts in zip(progress.tracks, progress.counts, strict=True)
    )
    items = [
        Item(keys, 1, "dim"),
        Item(f"{sign} {progress.state}{clock}", 0, style),
        Item(_files_text(progress), 3),
        Item(f"trigger: {trigger}" if trigger else "", 2, "bold" if progress.armed else ""),
        Item(size_text(progress.size), 6),
        *(Item(f"{rate:.1f} fps" if rate else "", 8) for rate in rates),
        Item(f"{lost} lost" if lost else "", 4, "red"),
        Item(f"{progress.damaged} damaged" if progress.damaged else "", 4, "red"),
        *(_link_item(*one) for one in progress.published),
        *(_meter_items(sound) if sound is not None else ()),
        *(_loudness_item(counts.levels) for counts in progress.counts if counts.levels is not None),
        _disk_item(progress.disk_s),
    ]
    return [one for one in items if one.text]


def fitting(items: Sequence[Item], columns: int) -> list[Item]:
    """Return the items that fit into a number of columns. Items are dropped whole, the least important first."""
    shown = list(items)
    while len(shown) > 1 and len(plain(shown)) > columns:
        shown.remove(max(reversed(shown), key=lambda one: one.rank))
    return shown


def line_of(items: Sequence[Item]) -> tuple[str, int]:
    """Return the line with its colours, and its width."""
    return _GAP.join(styled(one.text, one.style, sys.stderr) for one in items), len(plain(items))


def plain(items: Sequence[Item]) -> str:
    """Return the line without colours."""
    return _GAP.join(one.text for one in items)


def _loudness_item(levels: Levels) -> Item:
    """Return the loudness of the moment and of everything, and the true peak."""
    shown = (("M", levels.momentary, 0), ("I", levels.integrated, 1), ("TP", levels.true_peak, 1))
    parts = [f"{name} {value:.{digits}f}" for name, value, digits in shown if value is not None]
    return Item(" ".join(parts), 10)


def _files_text(progress: Progress) -> str:
    if not progress.files:
        return ""
    return f"{progress.files} saved" if progress.armed else f"file {progress.files}"


def _link_item(name: str, published: Any) -> Item:
    """Return how it goes with a stream to a server."""
    scheme = scheme_of(name)
    if published.state != "publishing":
        return Item(f"{scheme} {published.state}", 3, "red" if published.state == "interrupted" else "yellow")
    lost = f" {published.dropped} not sent" if published.dropped else ""
    again = f" ↻{published.reconnects}" if published.reconnects else ""
    return Item(f"{scheme} {bits_text(published.bit_rate)}{lost}{again}", 3)


def _disk_item(left_s: float | None) -> Item:
    """Return how long the disk has room. Above a day, only the days are shown."""
    if left_s is None:
        return Item("", 9)
    if left_s >= DAY_S:
        return Item(f"disk: {int(left_s // DAY_S)} d left", 9)
    return Item(f"disk: {duration_text(left_s)} left", 5, "red" if left_s < _SHORT_S else "")


def _meter_items(sound: MeterReading) -> list[Item]:
    """Return the level as a bar with a mark at the peak and the peak in dBFS, and CLIP if sound was clipped."""
    level, mark = (round(_BAR * (1 - decibels(one) / FLOOR_DB)) for one in sound)
    bar = ["█" if place < level else "·" for place in range(_BAR)]
    if mark:
        bar[mark - 1] = "▌" if mark > level else "█"
    style = "red" if sound.clipped else "green"
    shown = Item(f"{''.join(bar)} {decibels(sound.held):.0f} dB", 7, style)
    return [shown, Item("CLIP", 4, "bold red")] if sound.clipped else [shown]

"""The line that shows, on a terminal, how a recording goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from mscli.api.recording import Recording
from mscli.cli.forgiving import forgiving_stderr
from mscli.cli.level import CLIPPED, FLOOR_DB, Meter, decibels
from mscli.cli.report import measured_rate, size_text
from mscli.cli.say import Voice
from mscli.core.clock import MICROSECONDS, now_us

if TYPE_CHECKING:
    from rich.text import Text

_BAR = 12  # characters of the meter
_HELD_US = 2 * MICROSECONDS  # for so long a peak and a clipping stay to be seen
_HOURS = 3600


class Sound(NamedTuple):
    """What the meter shows: the peak now, the highest of the last two seconds, and whether one of these was clipped."""

    level: float = 0.0
    held: float = 0.0

    @property
    def clipped(self) -> bool:
        """Whether a sample was at full scale."""
        return self.held >= CLIPPED


class SoundMeter:
    """The meter of a recording's microphone, and its memory."""

    def __init__(self, recording: Recording) -> None:
        self._meter = Meter([track for track in recording.tracks if track.kind == "audio"])
        self._recent: list[tuple[int, float]] = []  # when, and the peak

    def read(self) -> Sound | None:
        """What to show; None if there is no sound."""
        level = self._meter.read()
        if level is not None:
            self._recent.append((now_us(), level))
        self._recent = [(at_us, one) for at_us, one in self._recent if at_us > now_us() - _HELD_US]
        return Sound(self._recent[-1][1], max(one for _, one in self._recent)) if self._recent else None

    def close(self) -> None:
        """Listen no more."""
        self._meter.close()


@contextmanager
def status_line(voice: Voice, recording: Recording, keys: str) -> Iterator[Callable[[str], None]]:
    """Within it the yielded function draws the line, with the recorder's state; off a terminal it does nothing.

    ``keys``: what can be pressed.
    """
    if not voice.live:
        yield lambda _: None
        return
    from rich.console import Console

    from mscli.cli.inplace import InPlace

    meter = SoundMeter(recording)
    place = InPlace(Console(stderr=True), kept=False)

    def draw(state: str) -> None:
        with forgiving_stderr():  # the terminal may be closed
            place.draw(describe(recording, state, meter.read(), keys))

    try:
        with forgiving_stderr():
            place.__enter__()
        yield draw
    finally:
        with forgiving_stderr():
            place.__exit__(None, None, None)
        meter.close()


def describe(recording: Recording, state: str, sound: Sound | None, keys: str) -> Text:
    """One line; what matters most comes first, for a narrow terminal cuts its end."""
    from rich.text import Text

    lost = sum(recording.dropped) + sum(track.lost for track in recording.tracks)
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append("‖ " if state == "paused" else "● ", "bold yellow" if state == "paused" else "bold red")
    line.append(f"{duration_text(recording.recorded_s)}{' paused' if state == 'paused' else ''}  ", "bold")
    line.append(f"{size_text(recording.bytes_written)}  ")
    for track, counts in zip(recording.tracks, recording.counts, strict=True):
        rate = measured_rate(counts) if track.kind == "video" else None
        line.append(f"{rate:.1f} frames/s  " if rate else "")
    line.append(f"{lost} lost  " if lost else "", "red")
    if sound is not None:
        line.append_text(_meter(sound))
    left_s = recording.seconds_left
    line.append(f"{duration_text(left_s)} left  " if left_s is not None else "", "red" if (left_s or 0) < 60 else "")
    return line.append(keys, "dim")


def _meter(sound: Sound) -> Text:
    """The level as a bar with a mark at the peak, in dBFS, and CLIP where it went over."""
    from rich.text import Text

    level, mark = (round(_BAR * (1 - decibels(one) / FLOOR_DB)) for one in sound)
    bar = ["█" if place < level else "·" for place in range(_BAR)]
    if mark:
        bar[mark - 1] = "▌" if mark > level else "█"
    style = "red" if sound.clipped else "green"
    return (
        Text("".join(bar), style)
        .append(f" {decibels(sound.held):.0f} dB  ")
        .append("CLIP  " if sound.clipped else "", "bold red")
    )


def duration_text(seconds: float) -> str:
    """M:SS, or H:MM:SS."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if seconds >= _HOURS else f"{minutes}:{rest:02}"

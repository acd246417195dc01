"""A microphone that streams: PortAudio's callback takes its blocks, a sample clock times them, a watch sees when it goes away.

https://files.portaudio.com/docs/v19-doxydocs/portaudio_8h.html (PaStreamCallback)
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from mscli.core.boxes import Scalar
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import DOMException, NotReadableError
from mscli.core.frames import AudioData
from mscli.sources.base import Receiver, Source
from mscli.sources.portaudio_library import LIBRARY, PROCESSING, SAMPLE_TYPES

BLOCK_S = 0.02
START_S = 5.0  # how long a device may take to start
CLOSE_S = 0.7  # and to stop, before it is left behind: sooner than whoever waits for that gives up
LOOK_S = 0.5  # between two looks whether the device is still there
OLDEST_S = 1.0  # what PortAudio says of a block's age is believed up to here

OpenStream = Callable[..., Any]


class Stamp(NamedTuple):
    """When a block's first sample was captured, its number since the start, and how many were lost before it."""

    timestamp: int  # microseconds on CLOCK_MONOTONIC
    sequence: int  # samples per channel, losses included
    lost: int


class SampleClock:
    """The time of blocks of sound by counting samples, so that late callbacks do not show, while the device's drift does.

    A block is measured too late as often as the machine is busy, but never too early. So the earliest of the last WINDOW_S is
    the truth, which the clock follows: quickly when it has been late itself, slowly (a real device's drift is below 0.05 %)
    the other way. Blocks that all stay late by more than GAP_S for CONFIRM_S follow a gap: samples were lost. After a stall
    without loss the blocks that waited come in a burst and the clock is right again.
    """

    WINDOW_S = 0.5
    GAP_S = 0.06
    CONFIRM_S = 0.5
    BACK, FORTH = 0.05, 0.001  # how far the clock is set with each block at most, as a part of the block's duration

    def __init__(self, rate: int) -> None:
        self._sample_us = MICROSECONDS / rate
        self._sequence = 0
        self._offset_us: float | None = None  # of the sample number 0
        self._earliest: deque[tuple[int, float]] = deque()  # sequences and offsets of WINDOW_S, both rising: the least is first
        self._late_since_us: int | None = None
        self._least_late_us = 0.0

    def stamp(self, measured_us: int, samples: int, overflow: bool = False) -> Stamp:
        """Time a block of so many samples per channel, whose first was captured at about ``measured_us``.

        ``overflow``: the driver says that something was lost before it.
        """
        offset_us = measured_us - self._sequence * self._sample_us
        if self._offset_us is None:
            self._offset_us, overflow = offset_us, False  # before the first block nothing can be missed
        lost = self._lost(measured_us, offset_us - self._offset_us, overflow)
        self._sequence += lost
        self._offset_us += self._correction_us(offset_us - lost * self._sample_us, samples)
        stamp = Stamp(round(self._offset_us + self._sequence * self._sample_us), self._sequence, lost)
        self._sequence += samples
        return stamp

    def _lost(self, measured_us: int, late_us: float, overflow: bool) -> int:
        if overflow:
            self._late_since_us = None
            return max(1, int(late_us / self._sample_us))
        if late_us <= self.GAP_S * MICROSECONDS:
            self._late_since_us = None
            return 0
        if self._late_since_us is None:
            self._late_since_us, self._least_late_us = measured_us, late_us
        self._least_late_us = min(self._least_late_us, late_us)
        if measured_us - self._late_since_us < self.CONFIRM_S * MICROSECONDS:
            return 0
        self._late_since_us = None
        return int(self._least_late_us / self._sample_us)

    def _correction_us(self, offset_us: float, samples: int) -> float:
        while self._earliest and self._earliest[-1][1] >= offset_us:
            self._earliest.pop()
        self._earliest.append((self._sequence, offset_us))
        oldest = self._sequence - self.WINDOW_S * MICROSECONDS / self._sample_us
        while self._earliest[0][0] < oldest:
            self._earliest.popleft()
        assert self._offset_us is not None, "stamp has set it"
        duration_us = samples * self._sample_us
        wanted_us = self._earliest[0][1] - self._offset_us
        return max(-self.BACK * duration_us, min(wanted_us, self.FORTH * duration_us))


class PortAudioSource(Source):
    """An open microphone. Blocks come on PortAudio's thread; a thread of its own watches the device from start to stop.

    ``open_stream`` takes what ``sounddevice.RawInputStream`` takes; ``gone`` tells whether the device is no longer there.
    """

    def __init__(self, label: str, wanted: Mapping[str, Scalar], open_stream: OpenStream, gone: Callable[[], bool]) -> None:
        self._label = label
        self._gone = gone
        self._rate, self._channels = int(wanted["sampleRate"]), int(wanted["channelCount"])
        dtype, self._format = SAMPLE_TYPES[int(wanted["sampleSize"])]
        latency_s = float(wanted["latency"])
        self._stream = open_stream(
            samplerate=self._rate,
            channels=self._channels,
            dtype=dtype,
            latency=latency_s,
            blocksize=int(self._rate * min(BLOCK_S, latency_s / 2)),
            callback=self._on_block,
            finished_callback=self._on_finished,
        )
        given = {"sampleRate": self._rate, "channelCount": self._channels, "sampleSize": int(wanted["sampleSize"])}
        self._settings = {**given, "latency": round(float(self._stream.latency), 6), **PROCESSING}
        self._clock = SampleClock(self._rate)
        self._receiver: Receiver | None = None
        self._stopped = False
        self._finished = False
        self._wake = threading.Event()  # the stream has ended, or shall
        self._watch: threading.Thread | None = None
        self._lock = threading.Lock()

    @property
    def settings(self) -> Mapping[str, Scalar]:
        return self._settings

    def start(self, receiver: Receiver) -> None:
        self._receiver = receiver
        try:
            LIBRARY.bounded(self._start, START_S, self._label)
        except DOMException:
            self.stop()
            raise
        watch = threading.Thread(target=self._watch_device, name="mscli-portaudio-watch", daemon=True)
        watch.start()  # first: ``stop``, which joins it, may come at any time
        self._watch = watch

    def stop(self) -> None:
        """End the stream and give the device back. What hangs for longer than CLOSE_S is left behind, which holds up nobody."""
        self._stopped = True
        self._wake.set()
        with self._lock:
            stream, self._stream = self._stream, None
        if stream is not None:
            with suppress(NotReadableError):
                LIBRARY.bounded(lambda: LIBRARY.close(stream), CLOSE_S, self._label)
        if self._watch not in (None, threading.current_thread()):
            self._watch.join()

    def _start(self) -> None:
        with LIBRARY.translated(self._label):
            self._stream.start()

    def _on_block(self, data: Any, samples: int, time: Any, status: Any) -> None:
        """PortAudio's callback, on its thread: it takes the block and never waits."""
        receiver = self._receiver
        if receiver is None or self._stopped:
            return
        stamp = self._clock.stamp(now_us() - self._age_us(samples, time), samples, status.input_overflow)
        if stamp.lost:
            receiver.on_lost(stamp.lost)
        block = memoryview(bytes(data))
        receiver.on_frame(AudioData(self._format, self._rate, samples, self._channels, stamp.timestamp, block, stamp.sequence))

    def _age_us(self, samples: int, time: Any) -> int:
        """How long ago the first sample was captured: what PortAudio says, unless that is less than the block lasts."""
        lasts_s = samples / self._rate
        age_s = time.currentTime - time.inputBufferAdcTime
        return int((age_s if lasts_s <= age_s <= OLDEST_S else lasts_s) * MICROSECONDS)

    def _on_finished(self) -> None:
        self._finished = True
        self._wake.set()

    def _watch_device(self) -> None:
        """No flag is raised when a card is unplugged, and a sound server goes on with another source: so look."""
        while not (self._wake.wait(LOOK_S) or self._gone()):
            pass
        if not self._stopped and self._receiver is not None:
            what = "stopped: its driver or the sound server failed" if self._finished else "was unplugged or removed"
            self._receiver.on_ended(NotReadableError(f"“{self._label}” {what}"))

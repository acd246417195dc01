"""The speaker: plays nothing, at its own pace, and keeps what it was given for whoever asks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from itertools import count
from threading import Event, current_thread

from mscli.core.boxes import Scalar
from mscli.core.clock import MICROSECONDS, Clock
from mscli.core.errors import NotReadableError
from mscli.core.threads import Thread
from mscli.sources.base import SoundSupply, Speaker
from mscli.sources.fake.description import FakeDevice

BLOCKS = 100  # a second
_KEPT = 10 * BLOCKS  # the blocks of the last ten seconds


class FakeSpeaker(Speaker):
    """An open fake speaker. ``played``: its latest blocks, of 16-bit samples. The faults are those of a microphone."""

    def __init__(self, device: FakeDevice, settings: Mapping[str, Scalar], clock: Clock, vanish: Callable[[], None]) -> None:
        self._device, self._settings, self._clock, self._vanish = device, settings, clock, vanish
        self.played: deque[bytes] = deque(maxlen=_KEPT)
        self._cancelled = Event()
        self._thread: Thread | None = None

    @property
    def settings(self) -> Mapping[str, Scalar]:
        """Return the requested settings, which a fake speaker always accepts."""
        return {**self._settings, "latency": 1 / BLOCKS}

    def start(self, supply: SoundSupply) -> None:
        """Start playing on a separate thread. Raises NotReadableError if a fault says so."""
        if self._device.faults.error_on_start:
            raise NotReadableError(f"cannot start “{self._device.label}”: the driver reports an input/output error")
        name = f"mscli-fake-{self._device.device_id}"
        self._thread = Thread(target=self._run, args=(supply,), name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop playing and join the thread."""
        self._cancelled.set()
        if self._thread is not None and self._thread is not current_thread():
            self._thread.join()

    def _run(self, supply: SoundSupply) -> None:
        samples, begin_us = int(self._settings["sampleRate"]) // BLOCKS, self._clock.now_us()
        for number in count(1):
            if not self._clock.wait_until_us(begin_us + number * MICROSECONDS // BLOCKS, self._cancelled):
                return
            if number - 1 == self._device.faults.vanish_after_frames:
                self._vanish()
                supply.on_speaker_ended(NotReadableError(f"“{self._device.label}” was unplugged"))
                return
            self.played.append(supply.take(samples))

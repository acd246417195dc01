"""A streaming microphone or speaker: PortAudio's callback delivers or takes blocks, and a watch notices removal.

https://files.portaudio.com/docs/v19-doxydocs/portaudio_8h.html (PaStreamCallback)
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from time import monotonic, sleep
from typing import Any

from mscli.core.boxes import Scalar
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import DOMException, NotReadableError
from mscli.core.frames import AudioData
from mscli.core.limits import SOUND_ASKED_S, SOUND_CLOSED_S
from mscli.core.threads import Thread
from mscli.sources.base import Receiver, SoundSupply, Source, Speaker
from mscli.sources.sound.portaudio_library import LIBRARY, PROCESSING, SAMPLE_TYPES
from mscli.sources.sound.sampleclock import BlockTimer, Measured, age_us

BLOCK_S = 0.02
LOOK_S = 0.5  # the interval between checks whether the device is still there
_LOOK_AGAIN_S = 0.02  # the interval between them once the stream has ended

OpenStream = Callable[..., Any]


class PortAudioStream:
    """An open stream. Its blocks are exchanged on PortAudio's thread. Another thread watches the device from start to stop.

    ``open_stream`` takes the arguments of ``sounddevice.RawInputStream``. ``gone`` returns whether the device was removed.
    A subclass defines ``_on_block`` and ``_on_end``.
    """

    def __init__(self, label: str, wanted: Mapping[str, Scalar], open_stream: OpenStream, gone: Callable[[], bool]) -> None:
        self._label = label
        self._gone = gone
        self._rate, self._channels = int(wanted["sampleRate"]), int(wanted["channelCount"])
        latency_s = float(wanted["latency"])
        self._stream = open_stream(
            samplerate=self._rate,
            channels=self._channels,
            dtype=SAMPLE_TYPES[int(wanted["sampleSize"])][0],
            latency=latency_s,
            blocksize=int(self._rate * min(BLOCK_S, latency_s / 2)),
            callback=self._on_block,
            finished_callback=self._on_finished,
        )
        self._stopped = False
        self._wake = threading.Event()  # set when the stream has ended or must end
        self._watch: threading.Thread | None = None
        self._lock = threading.Lock()

    @abstractmethod
    def _on_block(self, data: Any, samples: int, time: Any, status: Any) -> None:
        """Take a block, or fill it. PortAudio calls this on its own thread, so it never waits."""

    @abstractmethod
    def _on_end(self, error: NotReadableError) -> None:
        """Note that the device is gone or has failed."""

    def _release(self) -> None:
        """Pass on what still waits, because no other block follows."""

    def _begin(self) -> None:
        """Start streaming. Raises NotReadableError."""
        try:
            LIBRARY.bounded(self._start, SOUND_ASKED_S, self._label)
        except DOMException:
            self.stop()
            raise
        watch = Thread(target=self._watch_device, name="mscli-portaudio-watch", daemon=True)
        watch.start()  # started first, because ``stop``, which joins it, may come at any time
        self._watch = watch

    def stop(self) -> None:
        """Stop streaming and release the device. A call that hangs for longer than SOUND_CLOSED_S is abandoned."""
        self._stopped = True
        self._wake.set()
        with self._lock:
            stream, self._stream = self._stream, None
        if stream is not None:
            with suppress(NotReadableError):
                LIBRARY.bounded(lambda: LIBRARY.close(stream), SOUND_CLOSED_S, self._label)
                self._release()
        if self._watch not in (None, threading.current_thread()):
            self._watch.join()

    def _start(self) -> None:
        with LIBRARY.translated(self._label):
            self._stream.start()

    def _on_finished(self) -> None:
        self._wake.set()

    def _watch_device(self) -> None:
        """Check the device regularly. An unplugged card raises no flag, and a server switches to another device."""
        while not (self._wake.wait(LOOK_S) or self._gone()):
            pass
        if self._stopped:
            return
        self._release()
        what = "was unplugged or removed" if self._was_removed() else "stopped: its driver or the sound server failed"
        if not self._stopped:
            self._on_end(NotReadableError(f"“{self._label}” {what}"))

    def _was_removed(self) -> bool:
        """Return whether the stream ended because its device was removed. PortAudio may notice before the kernel shows it."""
        deadline = monotonic() + LOOK_S
        while not (removed := self._gone()) and not self._stopped and monotonic() < deadline:
            sleep(_LOOK_AGAIN_S)
        return removed


class PortAudioSource(PortAudioStream, Source):
    """An open microphone. A sample clock times its blocks."""

    def __init__(self, label: str, wanted: Mapping[str, Scalar], open_stream: OpenStream, gone: Callable[[], bool]) -> None:
        self._receiver: Receiver | None = None
        self._turn = threading.Lock()  # held to pass on blocks
        super().__init__(label, wanted, open_stream, gone)
        given = {"sampleRate": self._rate, "channelCount": self._channels, "sampleSize": int(wanted["sampleSize"])}
        self._settings = {**given, "latency": round(float(self._stream.latency), 6), **PROCESSING}
        overrun = ": PortAudio says that its buffer ran over"
        self._timer = BlockTimer(label, overrun, SAMPLE_TYPES[int(wanted["sampleSize"])][1], self._rate, self._channels)

    @property
    def settings(self) -> Mapping[str, Scalar]:
        return self._settings

    def start(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._begin()

    def _on_block(self, data: Any, samples: int, time: Any, status: Any) -> None:
        receiver = self._receiver
        if receiver is None or self._stopped:
            return
        claimed_us = int((time.currentTime - time.inputBufferAdcTime) * MICROSECONDS)
        measured_us = now_us() - age_us(claimed_us, samples, self._rate)
        with self._turn:
            self._hand_on(self._timer.take(Measured(measured_us, samples, status.input_overflow, bytes(data))), receiver)

    def _release(self) -> None:
        if self._receiver is not None:
            with self._turn:
                self._hand_on(self._timer.release(), self._receiver)

    def _hand_on(self, blocks: Iterator[tuple[int, AudioData]], receiver: Receiver) -> None:
        for lost, block in blocks:
            if lost:
                receiver.on_lost(lost)
            receiver.on_frame(block)

    def _on_end(self, error: NotReadableError) -> None:
        if self._receiver is not None:
            self._receiver.on_ended(error)


class PortAudioSpeaker(PortAudioStream, Speaker):
    """An open speaker."""

    def __init__(self, label: str, wanted: Mapping[str, Scalar], open_stream: OpenStream, gone: Callable[[], bool]) -> None:
        self._supply: SoundSupply | None = None
        super().__init__(label, wanted, open_stream, gone)
        given = {"sampleRate": self._rate, "channelCount": self._channels}
        self._settings = {**given, "latency": round(float(self._stream.latency), 6)}

    @property
    def settings(self) -> Mapping[str, Scalar]:
        return self._settings

    def start(self, supply: SoundSupply) -> None:
        self._supply = supply
        self._begin()

    def _on_block(self, data: Any, samples: int, time: Any, status: Any) -> None:  # noqa: ARG002 (PortAudio's)
        supply = None if self._stopped else self._supply
        data[:] = bytes(len(data)) if supply is None else supply.take(samples)

    def _on_end(self, error: NotReadableError) -> None:
        if self._supply is not None:
            self._supply.on_speaker_ended(error)

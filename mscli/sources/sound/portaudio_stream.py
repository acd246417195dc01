"""A streaming microphone: PortAudio's callback delivers blocks, a sample clock times them, a watch notices removal.

https://files.portaudio.com/docs/v19-doxydocs/portaudio_8h.html (PaStreamCallback)
"""

from __future__ import annotations

import threading
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
from mscli.sources.base import Receiver, Source
from mscli.sources.sound.portaudio_library import LIBRARY, PROCESSING, SAMPLE_TYPES
from mscli.sources.sound.sampleclock import BlockTimer, Measured, age_us

BLOCK_S = 0.02
LOOK_S = 0.5  # the interval between checks whether the device is still there
_LOOK_AGAIN_S = 0.02  # the interval between them once the stream has ended

OpenStream = Callable[..., Any]


class PortAudioSource(Source):
    """An open microphone. Blocks come on PortAudio's thread. Another thread watches the device from start to stop.

    ``open_stream`` takes the arguments of ``sounddevice.RawInputStream``. ``gone`` returns whether the device was removed.
    """

    def __init__(self, label: str, wanted: Mapping[str, Scalar], open_stream: OpenStream, gone: Callable[[], bool]) -> None:
        self._label = label
        self._gone = gone
        self._rate, self._channels = int(wanted["sampleRate"]), int(wanted["channelCount"])
        dtype, sample_format = SAMPLE_TYPES[int(wanted["sampleSize"])]
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
        overrun = ": PortAudio says that its buffer ran over"
        self._timer = BlockTimer(label, overrun, sample_format, self._rate, self._channels)
        self._receiver: Receiver | None = None
        self._stopped = False
        self._wake = threading.Event()  # set when the stream has ended or must end
        self._watch: threading.Thread | None = None
        self._lock = threading.Lock()
        self._turn = threading.Lock()  # held to pass on blocks

    @property
    def settings(self) -> Mapping[str, Scalar]:
        return self._settings

    def start(self, receiver: Receiver) -> None:
        self._receiver = receiver
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

    def _on_block(self, data: Any, samples: int, time: Any, status: Any) -> None:
        """Take a block. PortAudio calls this on its own thread, so it never waits."""
        receiver = self._receiver
        if receiver is None or self._stopped:
            return
        claimed_us = int((time.currentTime - time.inputBufferAdcTime) * MICROSECONDS)
        measured_us = now_us() - age_us(claimed_us, samples, self._rate)
        with self._turn:
            self._hand_on(self._timer.take(Measured(measured_us, samples, status.input_overflow, bytes(data))), receiver)

    def _release(self) -> None:
        """Pass on the first blocks if they still wait, because no other block follows."""
        if self._receiver is not None:
            with self._turn:
                self._hand_on(self._timer.release(), self._receiver)

    def _hand_on(self, blocks: Iterator[tuple[int, AudioData]], receiver: Receiver) -> None:
        for lost, block in blocks:
            if lost:
                receiver.on_lost(lost)
            receiver.on_frame(block)

    def _on_finished(self) -> None:
        self._wake.set()

    def _watch_device(self) -> None:
        """Check the device regularly. An unplugged card raises no flag, and a server switches to another source."""
        while not (self._wake.wait(LOOK_S) or self._gone()):
            pass
        if self._stopped or self._receiver is None:
            return
        self._release()
        what = "was unplugged or removed" if self._was_removed() else "stopped: its driver or the sound server failed"
        if not self._stopped:
            self._receiver.on_ended(NotReadableError(f"“{self._label}” {what}"))

    def _was_removed(self) -> bool:
        """Return whether the stream ended because its device was removed. PortAudio may notice before the kernel shows it."""
        deadline = monotonic() + LOOK_S
        while not (removed := self._gone()) and not self._stopped and monotonic() < deadline:
            sleep(_LOOK_AGAIN_S)
        return removed

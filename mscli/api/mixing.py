"""Mix tracks of sound into one, each at its capture time on the common clock.

Silence replaces what a track lacks, and its drift is corrected, as in a recording of several tracks. A track that stalls or
ends never stops the mix: it is waited for no longer than MIX_LATE_US.
"""

from __future__ import annotations

from collections.abc import Sequence

from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.api.programs import ProgramSource, ProgramTrack, program_track
from mscli.core.clock import now_us
from mscli.core.errors import ArgumentError, InvalidStateError, NotSupportedError
from mscli.core.eventloop import EventLoop
from mscli.core.frames import SAMPLE_FORMATS, AudioData
from mscli.core.limits import SOURCE_STOP_S
from mscli.core.threads import Thread
from mscli.media import load_mix

_TICK_S = 0.05


class _MixSource(ProgramSource):
    """The source of a mixed track. It reads the others on its own thread, and stops them in the end."""

    def __init__(self, tracks: Sequence[MediaStreamTrack], shape: AudioData) -> None:
        super().__init__("audio", " + ".join(track.label for track in tracks), first=shape)
        self._tracks = list(tracks)
        self._mix = load_mix(len(tracks), shape)
        self._event_loop = EventLoop()
        self._queues = [track.open_queue(self._event_loop) for track in tracks]
        self._stopping = False
        self._thread = Thread(target=self._run, name="mscli-mix", daemon=True)

    def start(self) -> None:
        """Start mixing."""
        self._thread.start()

    def close(self) -> None:
        """Stop mixing, and stop the tracks."""
        self._stopping = True
        self._event_loop.post(lambda: None)
        self._thread.join_or_abandon(SOURCE_STOP_S)
        for queue, track in zip(self._queues, self._tracks, strict=True):
            track.close_queue(queue)
            track.stop()

    def _run(self) -> None:
        while not self._stopping:
            taken = self._event_loop.take(_TICK_S)
            if taken is not None and isinstance(taken.frame, AudioData):
                self._mix.put(self._queues.index(taken.queue), taken.frame)
            elif taken is None and self._event_loop.finished:
                break
            self._deliver()
        if not self._stopping:
            self._deliver()
            self.end(next((track.ended_error for track in self._tracks if track.ended_error is not None), None))

    def _deliver(self) -> None:
        for one, queue in zip(self._mix.inputs, self._queues, strict=True):
            one.over = queue.finished
        self.lost = sum(track.lost for track in self._tracks)
        while (block := self._mix.take(now_us())) is not None and not self._stopping:
            try:
                self.put(block)
            except InvalidStateError:  # nobody reads any more
                self._stopping = True


def mix_tracks(tracks: Sequence[MediaStreamTrack]) -> ProgramTrack:
    """Return a track with the sum of live tracks of sound, in step (beyond the standard). It stops them when it is stopped.

    It has the highest sample rate, sample size and channel count of them. Raises TypeError for other tracks, and
    NotSupportedError for tracks that wait for their readers.
    """
    if not tracks or any(not isinstance(track, MediaStreamTrack) or track.kind != "audio" for track in tracks):
        raise ArgumentError("mix_tracks takes one or more tracks of sound")
    if any(track.paced for track in tracks):
        hints = ["leave out --no-pace, so that a file is read at its own pace"]
        raise NotSupportedError("cannot mix sound that is read without a pace", hints=hints)
    rate, channels, bits = (
        max(int(track.settings.get(name, usual)) for track in tracks)
        for name, usual in (("sampleRate", 48_000), ("channelCount", 1), ("sampleSize", 16))
    )
    form = "s16" if bits <= 16 else "s32"
    silent = memoryview(bytes(channels * SAMPLE_FORMATS[form].bits // 8))
    return program_track(_MixSource(tracks, AudioData(form, rate, 1, channels, 0, silent)))

"""Let microphones be heard while they are captured.

A thread reads the tracks through queues of their own and gives their sound to a speaker, so that nothing of this is ever in the
way of a recording. The speaker opens on another thread. If it is gone, nothing is heard until it is there again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.api.soundoutput import LOW_TARGET_S, SoundOutput, SpeakerFeed
from mscli.core.clock import MICROSECONDS
from mscli.core.errors import DOMException
from mscli.core.eventloop import DROP_OLDEST, EventLoop, QueueLimits
from mscli.core.frames import AudioData
from mscli.core.limits import SOURCE_STOP_S
from mscli.core.threads import Thread
from mscli.core.tuples import NamedTuple
from mscli.sources.base import Speaker

LATENCY_S = 0.02  # what is asked of the speaker: with less, a busy machine causes underruns
_LIMITS = QueueLimits(DROP_OLDEST, lasts_us=MICROSECONDS // 2)  # of sound that waits for this thread; no source waits for it
_TICK_S = 0.2


def _ignore(*_: object) -> None:
    """Call nobody."""


class MonitorStats(NamedTuple):
    """Figures of how tracks were heard. ``latency_s``: the mean time from their delivery to the speaker's sound."""

    latency_s: float
    underruns: int  # how often the speaker had to wait
    missed_s: float  # the silence that it has played meanwhile


class Monitor:
    """The sound of some tracks on a speaker, from now until ``close``. Each track has an output of its own.

    ``on_open`` is called with the latency in seconds when the first track can be heard, ``on_lost`` with the reason when it
    cannot.
    """

    def __init__(
        self,
        tracks: Sequence[MediaStreamTrack],
        open_speaker: Callable[[str], Speaker],
        sink_id: str,
        on_open: Callable[[float], object] = _ignore,
        on_lost: Callable[[DOMException], object] = _ignore,
    ) -> None:
        self._event_loop = EventLoop()
        self._queues = {track.open_queue(self._event_loop, limits=_LIMITS): track for track in tracks}
        self._outputs = {
            queue: SoundOutput(
                open_speaker,
                target_s=LOW_TARGET_S,
                on_open=self._opened if not place else _ignore,
                on_lost=on_lost if not place else _ignore,
            )
            for place, queue in enumerate(self._queues)
        }
        for output in self._outputs.values():
            output.sink_id = sink_id
        self._on_open = on_open
        self._delay_us = self._blocks = 0
        self._closing = False
        self._thread = Thread(target=self._run, name="mscli-monitor", daemon=True)
        self._thread.start()

    @property
    def stats(self) -> MonitorStats:
        """Return how it went so far."""
        latency_s = self._delay_us / max(1, self._blocks) / MICROSECONDS
        outputs = self._outputs.values()
        return MonitorStats(latency_s, sum(one.underruns for one in outputs), sum(one.missed_s for one in outputs))

    def close(self) -> None:
        """Stop, and give the speaker back."""
        self._closing = True
        self._event_loop.post(lambda: None)
        self._thread.join_or_abandon(SOURCE_STOP_S)
        for queue, track in self._queues.items():
            track.close_queue(queue)
        for output in self._outputs.values():
            output.release()

    def _opened(self, feed: SpeakerFeed) -> None:
        self._on_open(LOW_TARGET_S + 1.5 * feed.latency_s)

    def _run(self) -> None:
        while not self._closing:
            taken = self._event_loop.take(_TICK_S)
            if taken is None:
                if self._event_loop.finished:
                    return
            elif isinstance(taken.frame, AudioData):
                output = self._outputs[taken.queue]
                output.put(taken.frame, 1)
                if delay_us := output.delay_us:
                    self._delay_us += delay_us
                    self._blocks += 1

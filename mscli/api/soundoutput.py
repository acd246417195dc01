"""The sound of a media element on its way to a speaker.

https://w3c.github.io/mediacapture-output/#algorithms: a speaker that is gone changes nothing but that nothing is heard. When it
is there again, it goes on.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Condition, Event, current_thread

from mscli.core.clock import MICROSECONDS
from mscli.core.errors import AbortError, DOMException
from mscli.core.frames import AudioData
from mscli.core.limits import SERVER_RECONNECT_S, SERVER_SOON_S, SOURCE_STOP_S
from mscli.core.locks import shared_lock
from mscli.core.log import Burst, Log
from mscli.core.playing import SampleLine
from mscli.core.threads import Thread
from mscli.media import load_sound_converter
from mscli.sources.base import Speaker, doubling

TARGET_S, MOST_S = 0.06, 0.4  # how much sound waits for a speaker before it begins, and at most
LOW_TARGET_S = 0.02  # the same for somebody who hears the original, too
_BITS = 16

_log = Log("sound")

OpenSpeaker = Callable[[str], Speaker]


class SpeakerFeed:
    """The line of sound to one open speaker. It fits blocks to the speaker's shape."""

    def __init__(self, speaker: Speaker, on_end: Callable[[DOMException], None], target_s: float = TARGET_S) -> None:
        rate, channels = int(speaker.settings["sampleRate"]), int(speaker.settings["channelCount"])
        self.speaker, self.latency_s = speaker, float(speaker.settings["latency"])
        self.ended = False  # whether the speaker is gone
        self._on_end = on_end
        self._convert = load_sound_converter(rate, channels, _BITS)
        self._next = 0  # the number of the next sample that is converted
        self._line = SampleLine(channels * _BITS // 8, rate, target_s + self.latency_s / 2, MOST_S + self.latency_s)
        self._changed = Condition(shared_lock())
        self._gaps = Burst(_log, "a speaker got %d sample(s) of silence because the player was late, at %d Hz")
        self._surplus = Burst(_log, "%d sample(s) were left out because they came too soon for a speaker, at %d Hz")
        self._rate = rate

    def put(self, block: AudioData, volume: float) -> None:
        """Add a block. It never waits."""
        fitting = self._convert(replace(block, sequence=self._next))
        self._next += block.number_of_frames
        if fitting is None or self.ended:
            return
        data = fitting.data if volume == 1 else _quieter(fitting.data, volume)
        with self._changed:
            surplus = self._line.put(data)
        if surplus:
            self._surplus.note(surplus, self._rate)
        else:
            self._surplus.end()

    def take(self, samples: int) -> bytes:
        """Return what the speaker plays next."""
        with self._changed:
            data, late = self._line.take(samples)
            if not self._line.held:
                self._changed.notify_all()
        if late:
            self._gaps.note(late, self._rate)
        else:
            self._gaps.end()
        return data

    def on_speaker_ended(self, error: DOMException) -> None:
        """Note that the speaker is gone."""
        _log.warning("%s; nothing is heard until it is there again", error)
        with self._changed:
            self.ended = True
            self._changed.notify_all()
        self._on_end(error)

    @property
    def underruns(self) -> int:
        """Return how often the speaker had to play silence because the player was late."""
        return self._line.underruns

    @property
    def missed_s(self) -> float:
        """Return how much silence that was, in seconds."""
        return self._line.missed / self._rate

    @property
    def delay_us(self) -> int:
        """Return how long what is put now waits until it is heard."""
        return round((self._line.held / self._rate + self.latency_s) * MICROSECONDS)

    def clear(self) -> None:
        """Drop what waits."""
        with self._changed:
            self._line.clear()
            self._changed.notify_all()

    def drain(self) -> None:
        """Wait until the speaker has taken what waits, as long as that may take."""
        with self._changed:
            self._line.finish()
            self._changed.wait_for(lambda: self.ended or not self._line.held, MOST_S + 2 * self.latency_s)


class SoundOutput:
    """The output of sound to a speaker by its deviceId, or to the default one ("").

    A thread of its own opens the speaker when there is something to hear, and again if it was gone: nobody waits for it.

    ``target_s``: how much sound waits for it. ``on_open`` is called with the feed of a speaker that was opened, ``on_lost``
    with the reason once nothing is heard, both on that thread or the speaker's.
    """

    def __init__(
        self,
        open_speaker: OpenSpeaker,
        *,
        target_s: float = TARGET_S,
        on_open: Callable[[SpeakerFeed], object] = lambda _: None,
        on_lost: Callable[[DOMException], object] = lambda _: None,
    ) -> None:
        self._open = open_speaker
        self._target_s, self._on_open, self._on_lost = target_s, on_open, on_lost
        self._lost = False  # whether that was reported
        self._past = (0, 0.0)  # the underruns of speakers that are gone, and the seconds of silence
        self.sink_id = ""
        self._lock = shared_lock()
        self._feed: SpeakerFeed | None = None
        self._thread: Thread | None = None
        self._wake = Event()  # set when the thread must look again
        self._run_of: object | None = None  # what the thread that may open a speaker was given

    def put(self, block: AudioData, volume: float) -> None:
        """Let a block be heard next, at a volume from 0 to 1. It never waits."""
        feed = self._feed
        if feed is not None:
            feed.put(block, volume)
        else:
            self._begin()

    def clear(self) -> None:
        """Let nothing be heard of what was put."""
        feed = self._feed
        if feed is not None:
            feed.clear()

    def drain(self) -> None:
        """Wait until what was put was heard, as far as a speaker plays."""
        feed = self._feed
        if feed is not None:
            feed.drain()

    @property
    def delay_us(self) -> int:
        """Return how much later than now what is put now is heard, or 0 if nothing is."""
        feed = self._feed
        return 0 if feed is None or feed.ended else feed.delay_us

    @property
    def underruns(self) -> int:
        """Return how often a speaker had to play silence because the player was late."""
        feed = self._feed
        return self._past[0] + (0 if feed is None else feed.underruns)

    @property
    def missed_s(self) -> float:
        """Return how much silence that was, in seconds."""
        feed = self._feed
        return self._past[1] + (0 if feed is None else feed.missed_s)

    def switch(self, sink_id: str, *, now: bool, same: bool = False) -> None:
        """Use another speaker. ``now``: open it at once; otherwise with the next sound.

        ``same``: whether this is the one that plays, which can be open only once. Raises AbortError if it cannot be opened;
        then nothing has changed.
        """
        feed = self._feed
        if feed is not None and not feed.ended and same:
            self.sink_id = sink_id
            return
        feed = None
        if now:
            try:
                feed = self._started(sink_id)
            except DOMException as error:
                raise AbortError(f"cannot switch to that speaker: {error}", hints=error.hints) from error
        self._stop_thread()
        old, self._feed = self._feed, feed
        self.sink_id = sink_id
        if old is not None:
            old.speaker.stop()
        if feed is not None:
            self._begin()

    def release(self) -> None:
        """Give the speaker back until there is something to hear again."""
        self._stop_thread()
        self._drop_feed()

    def _drop_feed(self) -> None:
        """Stop the speaker, and keep its counts."""
        feed, self._feed = self._feed, None
        if feed is not None:
            self._past = self._past[0] + feed.underruns, self._past[1] + feed.missed_s
            feed.speaker.stop()

    def _ended(self, error: DOMException) -> None:
        self._report_loss(error)
        self._wake.set()

    def _report_loss(self, error: DOMException) -> None:
        if not self._lost:
            self._lost = True
            self._on_lost(error)

    def _started(self, sink_id: str) -> SpeakerFeed:
        """Open and start a speaker. Raises the errors of that."""
        speaker = self._open(sink_id)
        feed = SpeakerFeed(speaker, self._ended, self._target_s)
        try:
            speaker.start(feed)
        except BaseException:
            speaker.stop()
            raise
        return feed

    # The thread

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None:
                self._wake.clear()
                self._run_of = token = object()
                self._thread = Thread(target=self._run, args=(token,), name="mscli-speaker", daemon=True)
                self._thread.start()

    def _stop_thread(self) -> None:
        with self._lock:
            thread, self._thread, self._run_of = self._thread, None, None
            self._wake.set()
        if thread is not None and thread is not current_thread():
            thread.join_or_abandon(SOURCE_STOP_S)

    def _run(self, token: object) -> None:
        """Keep a speaker open, until another thread does or none."""
        pauses = _pauses()
        while self._run_of is token:
            feed = self._feed
            if feed is not None and not feed.ended:
                pauses = _pauses()
                self._wake.wait()
                self._wake.clear()
                continue
            self._drop_feed()
            try:
                self._use(self._started(self.sink_id), token)
            except DOMException as error:
                self._report_loss(error)
                pause_s = next(pauses)
                _log.info("nothing is heard: %s; look again in %g s", error, pause_s)
                self._wake.wait(pause_s)
                self._wake.clear()

    def _use(self, feed: SpeakerFeed, token: object) -> None:
        """Use an opened speaker, unless it came too late."""
        with self._lock:
            late = self._run_of is not token
            if not late:
                self._feed = feed
        if late:
            feed.speaker.stop()
            return
        self._lost = False
        self._on_open(feed)


def _pauses() -> Iterator[float]:
    return doubling(SERVER_SOON_S, SERVER_RECONNECT_S)


def _quieter(data: memoryview, volume: float) -> memoryview:
    """Return 16-bit samples at a lower volume."""
    return memoryview(array("h", [round(sample * volume) for sample in data.cast("B").cast("h")]))

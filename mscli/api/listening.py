"""Listen to microphones on the way into an output: notice that one is silent, and the sound that begins a file.

The thread that writes the frames calls this for each block of sound, so it costs no thread and no queue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.core.clock import MICROSECONDS
from mscli.core.frames import AudioData
from mscli.core.level import Quiet, Silence
from mscli.core.tuples import NamedTuple

if TYPE_CHECKING:
    from mscli.encode.options import SinkOptions


def _ignore(*_: object) -> None:
    """Call nobody."""


class Listening(NamedTuple):
    """The things to notice: silence of a length, and sound above ``sound_db`` (dBFS). None: nothing.

    ``on_silence`` is called with a track, and how long it has been silent in seconds, or None once it sounds again.
    """

    silence: Quiet | None = None
    on_silence: Callable[[MediaStreamTrack, float | None], object] = _ignore
    sound_db: float | None = None


def listening_of(options: SinkOptions) -> Listening | None:
    """Return what a sink's options ask for, or None if that is nothing."""
    sound_db = options.series.sound_db if options.series is not None else None
    if options.silence is None and sound_db is None:
        return None
    return Listening(options.silence, options.on_silence or _ignore, sound_db)


class Listener:
    """A listener to some tracks. ``on_sound`` is called with the time of each block that is loud enough for a trigger."""

    def __init__(
        self, listening: Listening, tracks: Sequence[MediaStreamTrack], on_sound: Callable[[int], object] = _ignore
    ) -> None:
        self._tracks, self._listening, self._on_sound = tracks, listening, on_sound
        heard = [index for index, track in enumerate(tracks) if track.kind == "audio"]
        asked, sound_db = listening.silence, listening.sound_db
        self._silences = {} if asked is None else {index: Silence(asked.db) for index in heard}
        self._sounds = {} if sound_db is None else {index: Silence(sound_db) for index in heard}
        self._reported: set[int] = set()  # tracks whose silence was reported

    def hear(self, index: int, block: AudioData) -> None:
        """Take the next block of a track, before it is written."""
        if index in self._silences:
            self._judge(index, self._silences[index], block)
        if index in self._sounds:
            self._sounds[index].note(block)
            if self._sounds[index].sounds:
                self._on_sound(block.timestamp)

    def _judge(self, index: int, silence: Silence, block: AudioData) -> None:
        asked = self._listening.silence
        assert asked is not None, "the silence is watched"
        silence.note(block)
        if index in self._reported and silence.sounds:
            self._reported.discard(index)
            self._listening.on_silence(self._tracks[index], None)
        elif index not in self._reported and not silence.sounds and silence.lasted_us >= asked.seconds * MICROSECONDS:
            self._reported.add(index)
            self._listening.on_silence(self._tracks[index], silence.lasted_us / MICROSECONDS)

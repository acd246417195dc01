"""What every output is: it is told its tracks, takes frames in time order, and leaves a whole file or none.

A sink is one file in this folder, rows in ``SINKS`` and one line in the contract suite (tests/sinks). It knows no device and no
track object. Pixel and sample conversion happens here, at its door, once. It raises OperationError when the output fails
(disk full, no such folder) and NotSupportedError when a format does not fit; BrokenPipeError passes through.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from mscli.core.boxes import Scalar
from mscli.core.errors import InvalidStateError
from mscli.core.frames import Frame

if TYPE_CHECKING:
    from mscli.sinks import SinkRow

# How fast a video encoder works, at the cost of a larger file: x264's names, for all of them.
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")

PATIENCE_US = 1_000_000  # how far a track may fall behind the others of its recording
GATHER_S = 0.2  # how long a file can wait for sound and encoded pictures that have come
COPY = "copy"  # in the place of a video codec's name: what the camera encodes goes into the file as it is


class TrackFormat(NamedTuple):
    """What a sink has to know of a track before the first frame: its kind and settings (IDL names), and the native format."""

    kind: str  # "video" | "audio"
    settings: Mapping[str, Scalar] = MappingProxyType({})
    pixel_format: str = ""  # of the frames that will come, if known


class Series(NamedTuple):
    """A recording in several files: where one ends and the next begins, and which of them stay. None: not by that.

    With ``triggered`` a file is written for each trigger only, with the ``pre_roll_s`` seconds before it.
    """

    duration_s: float | None = None  # of a file; of a triggered one from its trigger on
    size_bytes: int | None = None  # of a file, at most
    clock_s: int | None = None  # a new file begins at full multiples of so many seconds of the local day
    keep_files: int | None = None  # so many finished files, the newest
    keep_bytes: int | None = None  # so much of finished files, the newest, and one in any case
    triggered: bool = False
    pre_roll_s: float = 0.0


class SinkOptions(NamedTuple):
    """How to write. Empty and None mean: the sink's own choice for the container."""

    format: str = ""  # raw sinks: pixel or sample format to convert to
    video_codec: str = ""
    audio_codec: str = ""
    video_bits_per_second: int | None = None
    audio_bits_per_second: int | None = None
    quality: float | None = None  # 0 to 1; of images as in canvas.toBlob; of video where no bit rate is given
    key_frame_s: float | None = None  # so many seconds, or pictures, from one key frame to the next; else about a second
    key_frame_count: int | None = None
    preset: str = ""  # of the video encoder's speed: one of PRESETS
    overwrite: bool = True
    max_bytes: int | None = None  # of the whole recording: before it would be more, the sink takes no further frame
    series: Series | None = None  # recordings: in several files, the target being the pattern of their names
    on_note: Callable[[str], None] | None = None  # told, in a sentence for people, what could not be had as asked
    extra: Mapping[str, Any] = MappingProxyType({})


class Sink(ABC):
    """One output. ``open`` → ``write``* → ``close``, or ``abort`` at any time; all on the consumer's thread."""

    ended = ""  # why it takes no more frames, as the contract's report says it: "size"
    paused_us = 0  # for so long the recording was paused, which the times of its frames leave out
    gather_s = 0.0  # for how long sound and encoded pictures may wait for one another before they are written

    @classmethod
    @abstractmethod
    def check(cls, row: SinkRow, options: SinkOptions, kinds: Sequence[str]) -> None:
        """Whether tracks of these kinds fit, in these codecs or formats; nothing is opened. Raises NotSupportedError."""

    @abstractmethod
    def open(self, tracks: list[TrackFormat]) -> None:
        """Check that these tracks fit and prepare to write. Nothing stands under the asked name yet."""

    @abstractmethod
    def write(self, track: int, frame: Frame) -> None:
        """Take the next frame of that track (its place in the list given to ``open``)."""

    @abstractmethod
    def close(self) -> None:
        """Finish the output: after it the file is whole under its name."""

    @abstractmethod
    def abort(self) -> None:
        """Give up. What can be read stays; what cannot is removed. Safe after close."""

    @property
    @abstractmethod
    def bytes_written(self) -> int:
        """Bytes that the output has taken so far."""

    def forsake(self) -> bool:
        """From any thread, asked again and again: give up a reader that sleeps; no file ever is. Whether a write waits for it.

        That fails, or shows how far it has come, once a signal wakes it up.
        """
        return False

    @property
    def free_bytes(self) -> int | None:
        """Bytes that there is room for; None where that has no meaning or is not known."""
        return None

    @property
    def expected_bits_per_second(self) -> float:
        """About how much is going to be written; 0 if nobody knows."""
        return 0.0

    @property
    def files(self) -> list[str]:
        """The files that stand, or will, by their names; for one file without a name, none."""
        return []

    @property
    def finished(self) -> Sequence[str]:
        """Of a series: the files that were finished up to now, in order, those included that are gone again."""
        return ()

    def trigger(self, at_us: int) -> None:  # noqa: ARG002 (most wait for none)
        """Begin a file of a triggered series at that instant. Raises InvalidStateError if it is none."""
        raise InvalidStateError("this recording waits for no trigger")

    def end_triggers(self) -> None:  # noqa: B027 (most wait for none)
        """Say that no trigger can come any more: a triggered series has ``ended`` after its last file, for "pipe"."""

    def track_bytes(self, track: int) -> int:  # noqa: ARG002 (a sink that holds one track)
        """Bytes of the output that are that track's."""
        return self.bytes_written

    def corrections(self, track: int) -> Mapping[str, int]:  # noqa: ARG002 (a sink that corrects nothing)
        """What had to be done to that track's frames, for the report; only what happened.

        ``decodeErrors``: pictures left out that are damaged, or that no decoder made out. ``severed``: whole ones left out
        because those that they build on are in a finished file. ``duplicated``: pictures repeated, or black, for want of new
        ones. ``silence``: samples filled in. ``skipped``: samples left out. ``driftPpm``: by how many millionths the device's
        clock was found to run fast. ``hidden``: black pictures left out where none can stand. ``unwritten``: pictures or
        samples that were not to be in a file, or did not fit. ``absentUs``: the time in which no file was to be (microseconds).
        """
        return {}

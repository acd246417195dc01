"""The base class of sinks. A sink is opened with its tracks, takes frames in time order, and leaves a whole file or none.

A sink is one file in this folder, with rows in ``SINKS`` and a line in the contract suite (tests/sinks). It knows no device and
no track object, and converts pixels and samples itself. It raises OperationError if the output fails (disk full, no such
folder) and NotSupportedError if a format does not fit. BrokenPipeError passes through. Another package can bring a sink, too:
see ``.github/CONTRIBUTING.md``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any

from mscli.core.errors import InvalidStateError, NotSupportedError
from mscli.core.tuples import NamedTuple
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.media.chunkfilter import NO_FAULTS, Faults

if TYPE_CHECKING:
    from mscli.sinks import SinkRow, Target


class TrackFacts(NamedTuple):
    """The facts about a track, as of the frame that is being written, that its frames do not carry.

    ``first_sequence``: the number of the first frame that came. ``lost``: how many frames (samples per channel) are missing in
    the numbering of those that came. ``omitted``: how many were never asked for, because of a lower frame rate or a pause.
    """

    settings: Mapping[str, Any]
    first_sequence: int = 0
    lost: int = 0
    omitted: int = 0
    paused_us: int = 0  # the total length of the pauses before it
    paced: bool = False  # whether timestamps are unrelated to the present


class Sink(ABC):
    """An output. Call ``open``, ``write`` for each frame and ``close``, or ``abort`` at any time, all on one thread."""

    encodes = False  # whether it encodes the tracks
    copies = False  # whether it writes chunks as they come, so that no black picture can be between them
    single = False  # whether it holds one picture: the first that can be decoded
    codecs: Collection[str] = ()  # the codecs of chunks that it takes undecoded: names in ``VIDEO_CODECS``
    ended = ""  # why it takes no more frames, a reason of the report: "size"
    paused_us = 0  # the total length of the pauses so far; timestamps exclude pauses
    end_us: int | None = None  # the recording's end in the frames' time, once known; nothing is placed after it
    finish_s = inf  # how long it may take at the end to write waiting packets
    end_by_s = inf  # the end of that time on the monotonic clock, once known
    missed = 0  # triggers without a file
    name = "the output"
    over = False  # whether it has ended or failed while others go on
    error: Exception | None = None  # why it has failed, if it is one output of several
    on_failure: Callable[[Any], object] | None = None  # called with an output that fails while others continue
    on_file: Callable[[str], object] | None = None  # called with the name of each finished file of a series
    on_link: Callable[[str, Mapping[str, Any]], object] | None = None  # called with an event of a server, and its details
    facts: Callable[[int], TrackFacts] | None = None  # returns the facts about a track, for a log of frames
    gather_s = 0.0  # how long audio and encoded video may wait for each other before they are written
    identity: tuple[int, int] | None = None  # device and inode of the finished file, if it is one
    track: TrackFormat | None = None  # of a picture: its camera as it is set when the picture is taken
    size = (0, 0)  # of the picture that was written, if the sink says so
    another: Callable[[], str] | None = None  # chooses another name for a picture if another program has just taken this one
    name_durable = True  # whether it flushes the picture's name to the disk; False if somebody else flushes its folder
    goes_on = False  # whether it can take the next picture of a series, with ``go_on``

    def __init__(self, row: SinkRow, target: Target, options: SinkOptions) -> None:  # noqa: ARG002 (the subclass's)
        """Remember the target without opening or creating anything. Raises OperationError if writing is certain to fail."""
        self.row, self.options = row, options

    @classmethod
    def check(cls, row: SinkRow, options: SinkOptions, kinds: Sequence[str]) -> None:  # noqa: ARG003 (most options fit)
        """Check whether tracks of these kinds fit, in these codecs or formats. Open nothing. Raises NotSupportedError."""
        for kind in kinds:
            if not getattr(row, kind):
                raise NotSupportedError(f"{row.name} output cannot hold {kind}", hints=[f"leave it out with --no-{kind}"])

    @classmethod
    def describe(cls, row: SinkRow, options: SinkOptions, tracks: Sequence[TrackFormat]) -> str:  # noqa: ARG003
        """Return what the output will hold, for people: “H.264 640×480 at 30 fps”. By default, nothing is known."""
        return ""

    @abstractmethod
    def open(self, tracks: list[TrackFormat]) -> None:
        """Check that the tracks fit, and prepare to write. Create no file under the requested name yet."""

    @abstractmethod
    def write(self, track: int, frame: Any) -> None:
        """Take a track's next frame, or chunk of one of the ``codecs``. ``track``: its index in the list given to ``open``."""

    @abstractmethod
    def close(self) -> None:
        """Finish the output. After this the file is complete under its name."""

    @abstractmethod
    def abort(self) -> None:
        """Give up. Keep what can be read, and remove the rest. Safe after ``close``."""

    @property
    @abstractmethod
    def bytes_written(self) -> int:
        """Return how many bytes the output has taken so far."""

    def go_on(self, path: str) -> None:  # noqa: ARG002 (most are made for each picture)
        """Take the next picture, for another file. Only called if it ``goes_on``."""
        raise InvalidStateError("it takes one picture")

    def abandon(self) -> None:  # noqa: B027 (most have nothing to leave out)
        """Leave out, from now on, what would take long and is not needed to read the output. Called from any thread."""

    def abandon_reader(self) -> bool:
        """Give up a stalled reader. Return whether a write waits for it, which the caller must wake with a signal.

        Call this repeatedly, from any thread. A file is never given up.
        """
        return False

    def give_up_readers(self, may_wait: Callable[[float], bool]) -> None:  # noqa: B027 (most write into files)
        """Call ``may_wait`` with the seconds so far while a reader is stalled. If it returns False, the write fails."""

    def defer(self) -> None:  # noqa: B027 (most write into files)
        """Let ``open`` not wait for the reader of a named pipe. What is written first waits for it, on its own thread."""

    def expect_others(self) -> None:  # noqa: B027 (most hold up nobody)
        """Note that other outputs are about to be added: a stalled reader must hold up none of them. Safe from any thread."""

    @property
    def free_bytes(self) -> int | None:
        """Return the free space in bytes, or None if unknown or meaningless."""
        return None

    @property
    def expected_bits_per_second(self) -> float:
        """Return the expected bit rate, or 0 if unknown."""
        return 0.0

    @property
    def published(self) -> Any | None:
        """Return what has become of a stream to a server, or None for any other output."""
        return None

    @property
    def outputs(self) -> Sequence[Any]:
        """Return the outputs, one by one: each has its own ``name``, ``error``, ``files``, ``bytes_written`` and the like."""
        return (self,)

    @property
    def span_us(self) -> tuple[int | None, int | None] | None:
        """Return when it began, if known, and when it ended, if others continued. Return None if it never began."""
        return None, None

    @property
    def is_file(self) -> bool:
        """Return whether it is a regular file."""
        return False

    @property
    def files(self) -> list[str]:
        """Return the names of the files, including unfinished ones. Files without a name are left out."""
        return []

    @property
    def finished(self) -> Sequence[str]:
        """Return the finished files of a series in order, including those that were removed again."""
        return ()

    @property
    def begun(self) -> int:
        """Return how many files of a series have begun."""
        return 0

    @property
    def armed(self) -> bool:
        """Return whether a series waits for a trigger."""
        return False

    def idle_at(self, at_us: int) -> bool:  # noqa: ARG002
        """Return whether a triggered series writes no file at this time, and none is asked for."""
        return False

    def trigger(self, at_us: int, times: int = 1) -> None:  # noqa: ARG002 (most wait for none)
        """Begin files of a triggered series at ``at_us``. Raises InvalidStateError for any other output."""
        raise InvalidStateError("this recording has no trigger")

    def end_triggers(self) -> None:  # noqa: B027 (most wait for none)
        """Expect no more triggers. After its last file, a triggered series has ``ended`` with the reason "pipe"."""

    def track_bytes(self, track: int) -> int:  # noqa: ARG002 (a sink that holds one track)
        """Return the size of the track in the output, in bytes."""
        return self.bytes_written

    def faults(self, track: int) -> Faults:  # noqa: ARG002 (a sink that takes all as it comes)
        """Return the faults of the track's frames so far."""
        return NO_FAULTS

    def corrections(self, track: int) -> Mapping[str, int]:  # noqa: ARG002 (a sink that corrects nothing)
        """Return the corrections of the track's frames for the report. A correction that did not happen is missing.

        ``decodeErrors``, ``early``, ``parts``, ``torn``: as in ``Faults``. ``orphaned``: whole frames left out because they
        depend on frames in a finished file. ``duplicated``: frames repeated, or black, for lack of new ones. ``silence``:
        samples filled in. ``skipped``: samples left out. ``driftPpm``: how fast the device's clock was found to run, in
        millionths. ``hidden``: black frames left out because the output cannot hold them. ``past``: frames left out because
        they are shown after the end, although they are decoded before it. ``unwritten``: frames or samples that belong in no
        file or did not fit. ``behind``: frames or samples left out because the output was slow. ``absentUs``: the time without
        a file (microseconds).
        """
        return {}

"""HLS in a folder: a playlist, the beginning that all segments share (``NAME-init.mp4``), and the latest segments.

https://www.rfc-editor.org/rfc/rfc8216. FFmpeg's muxer writes a fragmented MP4; here it is cut. A segment is at least two
seconds long and begins with a key frame. Every file is written as any other of ours: under a hidden name until it is complete,
and without replacing one that is not ours. The playlist and the beginning stay open and locked, so that there is one writer.
"""

from __future__ import annotations

import errno
import os
import re
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from urllib.parse import quote

from mscli.core.errors import DisplacedError, DOMException, OperationError
from mscli.core.log import Log
from mscli.core.tuples import NamedTuple
from mscli.encode.fragment import Fragment, read_fragment, timescales
from mscli.encode.options import Series, SinkOptions
from mscli.sinks.files.hidden import HiddenFile
from mscli.sinks.files.output import NamedFile, Output, free_bytes, output_error, write_fully
from mscli.sinks.files.series import Retention

LEAST_S = 2.0  # of a segment
WITHOUT_PICTURE_S = 10.0  # of one in which a camera has stopped
LISTED = 6  # segments in the playlist
_SPARE = 2  # segments that stay for readers of an earlier playlist
_BOX = struct.Struct(">I4s")  # the size and the kind of a box of MP4
_MISLEADING = '%#?:"\\'  # in the name of a segment, for a reader of the playlist
_log = Log("sinks")


class _Segment(NamedTuple):
    name: str
    begin_s: float
    end_s: float


class _Shared:
    """A file that stays open and locked to the end. ``put`` writes it, again as a whole. Raises OperationError."""

    def __init__(self, path: str, on_note: Callable[[str], object], *, overwrite: bool) -> None:
        self.path = path
        self._file = HiddenFile(path, on_note, overwrite=overwrite)
        self._size = 0

    def check(self) -> None:
        """Check that the file can be created."""
        with self._translated():
            self._file.check()

    def claim(self) -> None:
        """Create the file under a hidden name, unless another program is writing it."""
        with self._translated():
            self._file.create()

    def put(self, data: bytes, *, durable: bool) -> None:
        """Give the file its name, or replace it at once."""
        with self._translated():
            if self._file.hidden:
                write_fully(self._file.fd, [memoryview(data)])
                self._file.publish(durable=durable, complete=True)
            else:
                self.check_place()
                self._file.rewrite([data], durable=durable)
        self._size = len(data)

    @property
    def named(self) -> bool:
        """Return whether the file has its name."""
        return self._file.identity is not None

    def check_place(self) -> None:
        """Raise DisplacedError if the name refers to another file now, or if the file was changed."""
        if self.named and (loss := self._file.find_loss(self._size, shortened=False)) is not None:
            raise loss

    def close(self) -> None:
        """Close the file, and remove it if it has not got its name."""
        with self._translated():
            if self._file.hidden:
                self._file.remove()
            self._file.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise output_error(self.path, error) from error


class Playlist(Output):
    """An output for a fragmented MP4, which it cuts into segments. ``taken``: the bytes up to the end of the latest one."""

    def __init__(self, path: str, options: SinkOptions) -> None:
        """Check that the files can be created. Raises OperationError."""
        self.name = path
        self._options = options
        self._note = options.on_note or _log.warning
        if os.path.islink(path) or (os.path.lexists(path) and not os.path.isfile(path)):  # segments would lie elsewhere
            raise OperationError(f"cannot write a playlist to {path}: it is no file", hints=["use the name of a new file"])
        self._stem = os.path.splitext(path)[0]
        self._shared = [
            _Shared(one, self._note, overwrite=options.overwrite) for one in (path, f"{self._stem}-init.mp4")
        ]  # fmt: skip
        self._list, self._init = self._shared
        for one in self._shared:
            one.check()
        self._check_segments()
        self._kept = Retention(Series(keep_files=LISTED + _SPARE))
        self._segments: list[_Segment] = []  # those in the playlist
        self._first = self._next = int(time.time())  # numbers, which so rise from one recording to the next
        self._longest = LEAST_S
        self._text = ""  # of the playlist
        self._at = self._done = 0  # bytes: that came, and up to the end of the latest segment
        self._box = bytearray()  # the next box, as far as it has come
        self._media = 0  # bytes of the current fragment's media that have not come
        self._head = b""  # of the MP4
        self._scales = timescales(b"")
        self._segment: NamedFile | None = None
        self._span: Fragment | None = None  # of the segment so far
        self._closed = False

    def open(self) -> None:
        """Claim the playlist, and the beginning of all segments. Raises OperationError."""
        try:
            for one in self._shared:
                one.claim()
        except BaseException:
            self._close()
            raise

    def commit(self) -> None:
        """Finish the last segment and the playlist. Raises OperationError."""
        if self._closed:
            return
        try:
            if not self.failed:
                with self._failing():
                    self._end_segment()
                    self._write_list(over=True)
                    self._check_places()
        finally:
            if self.failed:
                self._give_up()
            self._close()
            _log.info("“%s”: finished, %d bytes", self.name, self.size)

    @property
    def taken(self) -> int:
        """Return how many bytes came up to the end of the latest segment."""
        return self._done

    @property
    def readable(self) -> bool:
        """Return whether there is a playlist."""
        return self._list.named

    @property
    def free_bytes(self) -> int | None:
        """Return the space on the disk, or None if the folder does not grow any more."""
        return free_bytes(self._folder) if len(self._kept.names) < LISTED else None

    @property
    def _folder(self) -> str:
        return os.path.dirname(os.path.abspath(self.name))

    def _check_segments(self) -> None:
        """Raise OperationError for a segment of another recording that may not be replaced."""
        ours = re.compile(re.escape(os.path.basename(self._stem)) + r"-\d+\.m4s")
        names: list[str] = []
        if not self._options.overwrite:
            with suppress(PermissionError):  # it shows when the segment is created
                names = os.listdir(self._folder)
        for name in sorted(filter(ours.fullmatch, names)):
            path = os.path.join(os.path.dirname(self.name), name)
            raise output_error(path, FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)))

    # What comes

    def _put(self, parts: list[memoryview]) -> int:
        with self._failing():
            for part in parts:
                view = part.cast("B")
                while view.nbytes:
                    view = view[self._take(view) :]
        return sum(part.nbytes for part in parts)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Note that the output has failed if a file of it has."""
        try:
            yield
        except DOMException:
            self.failed = True
            raise

    def _take(self, view: memoryview) -> int:
        """Take the beginning of the bytes, up to the end of a box or of what is known of it. Return how many those are."""
        if self._media:
            assert self._segment is not None, "a fragment has begun"
            piece = view[: self._media]
            self._segment.write_all((piece,))
            self._media -= piece.nbytes
            self._at += piece.nbytes
        else:
            wanted = _BOX.size if len(self._box) < _BOX.size else _BOX.unpack_from(self._box)[0]
            piece = view[: wanted - len(self._box)]
            self._box += piece
            self._at += piece.nbytes
            self._look_at_box()
        return piece.nbytes

    def _look_at_box(self) -> None:
        """Act on a box that is complete, or on the beginning of media."""
        if len(self._box) < _BOX.size:
            return
        size, kind = _BOX.unpack_from(self._box)
        if kind != b"mdat" and len(self._box) < size:
            return
        box = bytes(self._box)
        self._box.clear()
        if kind == b"moof":
            self._begin_fragment(box)
        elif kind == b"mdat":
            self._media = size - len(box)
        elif self._segment is None:
            self._head += box
            if kind == b"moov":
                self._scales = timescales(box)
        if kind in (b"moof", b"mdat") and self._segment is not None:
            self._segment.write_all((box,))

    def _begin_fragment(self, head: bytes) -> None:
        """Go on with the segment, or begin the next one."""
        found = read_fragment(head, self._scales)
        if self._span is not None and self._may_cut(found, found.begin_s - self._span.begin_s):
            self._done = self._at - len(head)
            self._end_segment()
            self._write_list()
        if self._segment is None or self._span is None:
            path = f"{self._stem}-{self._next}.m4s"
            self._segment = NamedFile(path, self._options.overwrite, on_note=self._note)
            self._segment.durable = self.durable
            self._segment.open()
            self._span = found
        self._span = self._span._replace(end_s=max(self._span.end_s, found.end_s))

    def _may_cut(self, found: Fragment, after_s: float) -> bool:
        """Return whether a segment can begin with a fragment: one of sound alone only once no picture has come for long."""
        leads = found.track == min(self._scales)
        return found.key and after_s >= (LEAST_S if leads else WITHOUT_PICTURE_S)

    # Segments

    def _end_segment(self) -> None:
        """Complete the segment, and remove the one that is too old. Raises OperationError."""
        segment, span = self._segment, self._span
        if segment is None or span is None:
            return
        for one in self._shared:
            one.check_place()
        segment.commit()
        if not self._init.named:
            self._init.put(self._head, durable=self.durable)
        self._segment = self._span = None
        if not self._kept.add(segment.name, segment.identity):
            raise _displaced(segment.name)
        self._segments.append(_Segment(segment.name, span.begin_s, span.end_s))
        self._first += len(self._segments) > LISTED
        del self._segments[:-LISTED]
        self._next += 1
        self._longest = max(self._longest, span.end_s - span.begin_s)

    def _write_list(self, *, over: bool = False) -> None:
        lines = [
            "#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{round(self._longest)}",
            f"#EXT-X-MEDIA-SEQUENCE:{self._first}", "#EXT-X-INDEPENDENT-SEGMENTS", f'#EXT-X-MAP:URI="{_uri(self._init.path)}"',
        ]  # fmt: skip
        for one in self._segments:
            lines.append(f"#EXTINF:{one.end_s - one.begin_s:.6f},")
            if self.since is not None and self._options.metadata:
                at = self.since + timedelta(seconds=one.begin_s)
                lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{at.isoformat(timespec='milliseconds')}")
            lines.append(_uri(one.name))
        self._text = "".join(f"{line}\n" for line in lines)
        if self._segments:
            self._list.put(self._ended_text if over else self._text.encode(), durable=self.durable)

    @property
    def _ended_text(self) -> bytes:
        return f"{self._text}#EXT-X-ENDLIST\n".encode()

    # The end

    def _check_places(self) -> None:
        """Raise DisplacedError if a file is not there any more."""
        self._done = self._at
        for one in self._shared:
            one.check_place()
        for name in self._kept.lost:
            raise _displaced(name)

    def _give_up(self) -> None:
        """Keep the segments that are complete."""
        if self._segment is not None:
            with suppress(OperationError):  # the first error was raised
                self._segment.discard()
        if self._text:
            with suppress(OperationError):  # the disk may be full
                self._list.put(self._ended_text, durable=self.durable)

    def _close(self) -> None:
        self._closed = True
        with ExitStack() as closing:
            for one in self._shared:
                closing.callback(one.close)


def _displaced(name: str) -> DisplacedError:
    what = f"{name} was moved, removed or replaced while the recording was written"
    return DisplacedError(what, hints=["do not touch the folder until the recording has ended"])


def _uri(path: str) -> str:
    """Return the name of a file as a playlist lists it. What players read in another way is escaped."""
    name = os.path.basename(path)
    return "".join(quote(os.fsencode(one)) if one in _MISLEADING or not one.isprintable() else one for one in name)

"""Pictures and sound that come one after the other, without a container. Each is passed on as soon as its last byte is there.

- YUV4MPEG2: https://wiki.multimedia.cx/index.php/YUV4MPEG2
- JPEG: https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annex B
- PNG: https://www.w3.org/TR/png-3/#5DataRep
- PGM, PPM, PAM: https://netpbm.sourceforge.net/doc/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from mscli.core.boxes import Mode
from mscli.core.errors import NotReadableError, NotSupportedError
from mscli.core.frames import (
    BOTTOM,
    BT601,
    JPEG_COLOR,
    KEY,
    SAMPLE_FORMATS,
    TOP,
    AudioData,
    EncodedVideoChunk,
    Media,
    VideoColorSpace,
    VideoFrame,
    pixel_format,
    split_planes,
)
from mscli.core.loans import FrameMemory
from mscli.core.properties import AUDIO, VIDEO
from mscli.core.tuples import NamedTuple
from mscli.sources.base import Abilities, InputOptions
from mscli.sources.bytereader import ByteReader, EndedEarly
from mscli.sources.demux import USUAL_RATE, decode_image
from mscli.sources.y4m import HEADER_BYTES, MAGIC, PICTURE_BYTES, picture_bytes, y4m_head

_LINE_BYTES = 1024  # the longest line of a header
_BETWEEN_BYTES = 1 << 20  # the most bytes between two images: some programs and cameras add some to each
_CANDIDATES = 16  # the most places in a segment where a next JPEG is looked for
_LOOKED_AT = 1 << 17  # bytes of one in which its size is looked for
_Y4M_FIELDS: Mapping[str, str] = {"t": TOP, "b": BOTTOM}


class PipeFormat:
    """A format of a pipe: reads one picture or block after the other. ``kind``: of the track."""

    kind = VIDEO
    rate = USUAL_RATE  # pictures, or samples per channel, per second
    skipped = 0  # bytes that belong to no picture
    lost = 0  # pictures that were cut off or damaged, and are not passed on

    @property
    def abilities(self) -> Abilities:
        """Return what a track can be set to."""
        raise NotImplementedError

    def read(self) -> Media | None:
        """Return the next picture or block, without a time, or None at the end of the input.

        Raises EndedEarly if the input ends within one, and NotReadableError if it is not what it was.
        """
        raise NotImplementedError


class RawPictures(PipeFormat):
    """A format of pictures of one size and pixel format, with the same bytes before each of them."""

    def __init__(
        self,
        reader: ByteReader,
        name: str,
        size: tuple[int, int],
        rate: float,
        before: bytes = b"",
        color: VideoColorSpace = BT601,
        field: str = "",
    ) -> None:
        self._reader, self._name, self._size, self.rate, self._before = reader, name, size, rate, before
        self._color, self._field = color, field
        length = picture_bytes(reader.name, name, *size)
        reader.check_size(*size)
        self._memory = FrameMemory(length)

    @property
    def abilities(self) -> Abilities:
        """Return the only mode."""
        return Abilities([Mode(self._name, *self._size, self.rate)])

    def read(self) -> VideoFrame | None:
        head, memory = bytearray(self._before), self._memory.take()
        data = memoryview(memory)
        if not self._reader.fill(memoryview(head), data):
            return None
        if head != self._before:
            self._realign(head, data)
        planes, strides = split_planes(self._name, *self._size, self._memory.lend(memory))
        return VideoFrame(self._name, *self._size, 0, planes, strides, color_space=self._color, first_field=self._field)

    def _realign(self, head: bytearray, data: memoryview) -> None:
        """Read a picture again whose line of YUV4MPEG2 says more than usual. Raises NotReadableError if it has no such line."""
        line = (bytes(head) + bytes(data[:_LINE_BYTES])).partition(b"\n")[:2]
        if not (line[0].startswith(b"FRAME") and line[1]):
            raise NotReadableError(f"{self._reader.name} does not go on as YUV4MPEG2")
        self._reader.put_back(head, data)
        self._reader.fill(memoryview(bytearray(len(line[0]) + 1)), data)


def y4m(reader: ByteReader, _options: InputOptions) -> PipeFormat:
    """Read the header of YUV4MPEG2 and return the pictures. Raises NotSupportedError, NotReadableError."""
    head = y4m_head(reader.line(HEADER_BYTES), reader.name)
    color, field = VideoColorSpace(full_range=head.full_range), _Y4M_FIELDS.get(head.field, "")
    size = head.width, head.height
    return RawPictures(reader, head.format, size, head.rate or USUAL_RATE, b"FRAME\n", color, field)


def raw(reader: ByteReader, options: InputOptions) -> PipeFormat:
    """Return raw pictures as the options describe them. Raises NotSupportedError if a part of the description is missing."""
    if options.size is None or not options.pixel_format:
        hints = ["--input-format rawvideo --input-size 640x480 --input-pixel-format rgb24"]
        raise NotSupportedError(f"the size and the pixel format of the raw pictures from {reader.name} are needed", hints=hints)
    return RawPictures(reader, pixel_format(options.pixel_format).name, options.size, options.rate or USUAL_RATE)


class RawSamples(PipeFormat):
    """A format of interleaved samples in native byte order, in blocks of 10 ms."""

    kind = AUDIO

    def __init__(self, reader: ByteReader, options: InputOptions) -> None:
        self._reader, self._format, self._channels = reader, options.format, options.channels
        self._rate = round(options.rate or 48_000)
        self.rate = float(self._rate)
        self._unit = SAMPLE_FORMATS[self._format].bits // 8 * self._channels

    @property
    def abilities(self) -> Abilities:
        bits = SAMPLE_FORMATS[self._format].bits
        values = {"sampleRate": (self._rate,), "channelCount": (self._channels,), "sampleSize": (bits,)}
        return Abilities(values=values, resampled=True)

    def read(self) -> AudioData | None:
        data = memoryview(bytearray(max(1, self._rate // 100) * self._unit))
        samples = self._reader.fill_most(data) // self._unit
        if not samples:
            return None
        data = data[: samples * self._unit].toreadonly()
        return AudioData(self._format, self._rate, samples, self._channels, 0, data)


class End(NamedTuple):
    """The end of an image file. ``whole``: whether it is complete, and not cut off by the next one."""

    length: int
    whole: bool = True


class Images(PipeFormat):
    """A format of image files one after the other, and what a writer adds to them. A subclass defines how one begins and ends.

    One that is cut off or damaged costs itself only: reading goes on with the next.
    """

    name = ""  # of the format, for people
    begins = re.compile(b"")  # what every file begins with
    magic_bytes = 1  # how long that is

    def __init__(self, reader: ByteReader, options: InputOptions) -> None:
        self._reader = reader
        self.rate = options.rate or USUAL_RATE
        self._size: tuple[int, int] | None = None  # of the latest whole picture, in pixels
        self._ended = False  # whether no more bytes will come
        self._bad = 0  # bad images that come before the picture
        self._picture: Media | None = None  # the next one to return
        self._why: NotReadableError | None = None  # why the latest image cannot be decoded
        self._shape = self._first_whole()

    @property
    def abilities(self) -> Abilities:
        shape: Any = self._shape
        name = "MJPEG" if isinstance(shape, EncodedVideoChunk) else shape.format
        return Abilities([Mode(name, shape.coded_width, shape.coded_height, self.rate)])

    def read(self) -> Media | None:
        while True:
            if self._bad:
                self._bad -= 1
                if (bad := self.bad()) is not None:
                    return bad
                self.lost += 1
            elif self._picture is not None:
                picture, self._picture = self._picture, None
                return picture
            elif not self._next():
                return None

    def end(self, held: bytearray) -> End | None:
        """Return the end of the file that begins these bytes, or None if more are needed."""
        raise NotImplementedError

    def decode(self, image: memoryview) -> Media | None:
        """Return the picture in an image file, or None if it is damaged."""
        raise NotImplementedError

    def bad(self) -> Media | None:
        """Return what stands for a bad image, for those who count damage, or None if it is only counted as lost."""
        return None

    def _may_have(self, width: int, height: int) -> bool:
        """Return whether a picture may have this size. If not, keep the error."""
        try:
            self._reader.check_size(width, height)
        except NotReadableError as error:
            self._why = error
            return False
        return True

    def _first_whole(self) -> Media:
        """Return the first whole picture, which ``read`` returns too. Raises EndedEarly, and NotReadableError if none comes."""
        passed = 0
        while self._picture is None:
            if not self._next():
                raise self._why or EndedEarly
            passed += self._length
            if passed > PICTURE_BYTES and self._picture is None:
                size = f"{PICTURE_BYTES >> 20} MiB"
                raise self._why or NotReadableError(f"the first {size} of {self._reader.name} hold no whole {self.name}")
        return self._picture

    def _skip(self) -> bool:
        """Go to the next image. Return False if the writer has ended. Raises NotReadableError if too much comes before it."""
        skipped = 0
        while (found := self.begins.search(held := self._reader.held(self.magic_bytes))) is None:
            if len(held) < self.magic_bytes:
                return False
            skipped += self._reader.skip(len(held) - self.magic_bytes + 1)
            if skipped > _BETWEEN_BYTES:
                raise NotReadableError(f"{self._reader.name} does not go on as {self.name}")
        self.skipped += skipped + self._reader.skip(found.start())
        return True

    def _next(self) -> bool:
        """Read the next image: its picture, or a bad one more. Return False if the writer has ended."""
        if not self._skip():
            return False
        end, seen = None, 0
        while end is None:
            held = self._reader.held(seen + 1)
            self._ended = len(held) <= seen
            if self._ended and self._reader.stopping:
                raise EndedEarly
            seen = len(held)
            end = self.end(held)
            if self._ended and end is None:
                raise EndedEarly
            if seen > PICTURE_BYTES and end is None:
                raise NotReadableError(f"{self._reader.name} has an image of more than {PICTURE_BYTES >> 20} MiB")
        self._length = end.length
        if end.whole:
            image = memoryview(bytearray(end.length))
            self._reader.fill(image)
            self._picture = self.decode(image.toreadonly())
        else:
            self._reader.skip(end.length)
        self._bad += self._picture is None
        return True


class Jpegs(Images):
    """A format of JPEG files, as chunks of MJPEG. A bad one is a chunk that cannot be decoded, and counts like a camera's."""

    name = "JPEG"
    begins = re.compile(rb"\xff\xd8\xff")
    magic_bytes = 3

    def __init__(self, reader: ByteReader, options: InputOptions) -> None:
        self._at = 2  # where the next marker is looked for
        self._within: dict[int, tuple[int, int] | None] = {}  # files in segments of the latest whole file: place → size
        self._noted: dict[int, tuple[int, int] | None] = {}  # of this file
        super().__init__(reader, options)

    def end(self, held: bytearray) -> End | None:
        """Return the end: the end marker, or the start of the next file. https://www.w3.org/Graphics/JPEG/itu-t81.pdf, B.1.1.2

        A segment may contain a file, such as a thumbnail. A segment that is cut off seems to contain the next file.
        """
        while (match := _MARKER.search(held, self._at)) is not None:
            self._at, place, marker = match.start(), match.end(), match[1][0]
            if marker == _EOI:
                return self._found(place)
            if place == len(held):
                return None
            if marker == _SOI:
                if held[place] == 0xFF:
                    return self._found(place - 2, whole=False)
                self._at = place
                continue
            if place + 2 > len(held):
                return None
            segment_end = place + max(2, int.from_bytes(held[place : place + 2], "big"))
            cut = self._cut(held, marker, place, segment_end)
            if cut is None:
                return None
            if cut:
                return self._found(cut, whole=False)
            self._at = segment_end
        self._at = max(self._at, len(held) - 1)
        return None

    def _found(self, length: int, *, whole: bool = True) -> End:
        self._at = 2
        if whole:
            self._within = self._noted
        self._noted = {}
        return End(length, whole)

    def _cut(self, held: bytearray, marker: int, begin: int, end: int) -> int | None:
        """Return where the next file begins if it cuts off a segment, 0 if the segment is whole, or None if that is unknown.

        ``begin``: of its length, ``end``: of the segment, by that length.
        """
        seen = min(len(held), end + 2)
        found = (one.start() for one in _START.finditer(held, begin, seen))
        inside = list(islice((start for start in found if start + 4 <= seen or start == end - 1), _CANDIDATES))
        starts = [start for start in inside if not self._is_usual(held, start, inside)]
        if starts and (starts[0] < begin + 2 or marker not in _MAY_HOLD_FILES):
            return starts[0]
        if len(held) < end + 2:
            return self._likeliest(held, starts) if self._ended and starts else None
        if starts and held[end : end + 2] == b"\xff\xd8":
            return self._likeliest(held, [*starts, end]) if self._ended or len(held) >= end + 4 else None
        follows = held[end] == 0xFF and held[end + 1] in _MAY_FOLLOW
        if starts and (not follows or any(end in _segments(held, start) for start in starts)):
            return self._likeliest(held, starts)
        self._noted |= {start: _size_at(held, start) for start in inside}
        return 0

    def _is_usual(self, held: bytearray, start: int, starts: list[int]) -> bool:
        """Return whether the latest whole file had such a thumbnail at this place, too. This one may be cut off."""
        if start not in self._within:
            return False
        return _size_at(held, start) in (None, self._within[start]) or not _is_apart(held, start, starts)

    def _likeliest(self, held: bytearray, starts: list[int]) -> int:
        """Return which of these is the next file, and no thumbnail: the first that looks like this file.

        A thumbnail that is cut off has no segments of its own where those of the next file are.
        """
        if self._within:
            thumbnails = {size for size in self._within.values() if size not in (None, self._size)}
            others = (start for start in starts if held[start : start + 4] == held[:4])
            if (first := next((start for start in others if _size_at(held, start) not in thumbnails), None)) is not None:
                return first
        apart = [one for one in starts if _is_apart(held, one, starts)]
        alike = [start for start in apart if held[start : start + 4] == held[:4]] or apart
        if self._size is None:
            return alike[0]
        sizes = {start: _size_at(held, start) for start in alike}
        return next((start for size in (self._size, None) for start in alike if sizes[start] == size), alike[-1])

    def decode(self, image: memoryview) -> EncodedVideoChunk | None:
        size = _jpeg_size(image)
        if size is None or not self._may_have(*size):
            return None
        self._size = size
        return EncodedVideoChunk(KEY, 0, image, "mjpeg", *size, color_space=JPEG_COLOR)

    def bad(self) -> EncodedVideoChunk:
        size = self._size or (0, 0)
        return EncodedVideoChunk(KEY, 0, memoryview(b"\xff\xd8"), "mjpeg", *size, color_space=JPEG_COLOR)


_MARKER = re.compile(rb"\xff+([\xc0-\xcf\xd8-\xfe])", re.DOTALL)  # but for restarts and bytes of the picture
_SOI, _EOI, _SOS, _COM = 0xD8, 0xD9, 0xDA, 0xFE
_MAY_HOLD_FILES = {*range(0xE0, 0xF0), _COM}
_BEGIN_SEGMENTS = {*range(0xC0, 0xD0), *range(_SOS, 0xFF)}
_MAY_FOLLOW = {*_BEGIN_SEGMENTS, 0xFF}  # second bytes behind a whole segment, fill bytes included
_START = re.compile(rb"\xff\xd8(?=\xff(?:[\xc0-\xcf\xda-\xff]|\Z))")  # of a file, before its first segment


def _is_apart(held: bytearray, start: int, starts: list[int]) -> bool:
    """Return whether the file that begins there has no segment of one that begins later."""
    return not any(_segments(held, start) & _segments(held, two) for two in starts if two > start)


def _segments(held: bytearray, at: int) -> set[int]:
    """Return where the segments of the header begin of the JPEG that begins at ``at``, as far as it has come."""
    found: set[int] = set()
    at += 2
    while at + 4 <= len(held) and held[at] == 0xFF and held[at + 1] in _BEGIN_SEGMENTS and at not in found:
        found.add(at)
        at += 2 + int.from_bytes(held[at + 2 : at + 4], "big") if held[at + 1] != _SOS else 0
    return found


def _size_at(held: bytearray, start: int) -> tuple[int, int] | None:
    return _jpeg_size(memoryview(bytes(held[start : start + _LOOKED_AT])))


def _jpeg_size(image: memoryview) -> tuple[int, int] | None:
    """Return the width and height of a JPEG, or None if its header is damaged."""
    from mscli.core.jpeg import BrokenJpegError, size

    try:
        known = size(image)
    except BrokenJpegError:
        return None
    return known if all(known) else None


_PNG = b"\x89PNG\r\n\x1a\n"


class Pngs(Images):
    """A format of PNG files, which are decoded."""

    name = "PNG"
    begins = re.compile(re.escape(_PNG))
    magic_bytes = len(_PNG)

    def __init__(self, reader: ByteReader, options: InputOptions) -> None:
        self._at = self._searched = 8  # where the next part begins, where the next file is looked for
        super().__init__(reader, options)

    def end(self, held: bytearray) -> End | None:
        cut = held.find(_PNG, self._searched)
        known = len(held) if cut < 0 else cut
        self._searched = max(8, known - 7)
        while self._at + 12 <= known:
            length, kind = int.from_bytes(held[self._at : self._at + 4], "big"), held[self._at + 4 : self._at + 8]
            if kind == b"IEND" and self._at + 12 + length <= known:
                return self._found(self._at + 12 + length)
            if kind == b"IEND":
                break
            self._at += 12 + length
        return None if cut < 0 else self._found(cut, whole=False)

    def _found(self, length: int, *, whole: bool = True) -> End:
        self._at = self._searched = 8
        return End(length, whole)

    def decode(self, image: memoryview) -> VideoFrame | None:
        width, height = (int.from_bytes(image[at : at + 4], "big") for at in (16, 20))
        if not self._may_have(width, height):
            return None
        try:
            return decode_image("png", image, self._reader.name)
        except NotReadableError as error:
            self._why = error
            return None


class Pnms(Images):
    """A format of PGM, PPM and PAM files."""

    name = "PNM"
    begins = re.compile(rb"P(?:[56][\s#]|7\n)")
    magic_bytes = 3

    def __init__(self, reader: ByteReader, options: InputOptions) -> None:
        self._head: PnmHead | None = None
        self._searched = 0  # where the next file is looked for
        super().__init__(reader, options)

    def end(self, held: bytearray) -> End | None:
        if self._head is None:
            cut, self._head = self._begun(held)
            if cut:
                return End(cut, whole=False)
        head = self._head
        if head is None:
            return None
        same = bytes(held[: head.begin])  # a stream repeats its header
        cut = held.find(same, max(head.begin, self._searched), head.length + len(same) - 1)
        self._searched = max(0, len(held) - len(same))
        if cut < 0 and (head.length > len(held) or (not self._ended and _may_begin_before(head.length, held, same))):
            return None
        self._searched = 0
        if cut < 0:
            return End(head.length)
        self._head = None
        return End(cut, whole=False)

    def _begun(self, held: bytearray) -> tuple[int, PnmHead | None]:
        """Return the header, if it is there. Or return where the next file begins, if that cuts off the header."""
        name = self._reader.name
        head = _pnm_head(bytes(held[:_LINE_BYTES]), name)
        if head is not None:
            self._reader.check_size(head.width, head.height)
        next_ = self.begins.search(held, 1, _LINE_BYTES if head is None else head.begin)
        if next_ is not None and _pnm_head(bytes(held[next_.start() : next_.start() + _LINE_BYTES]), name):
            return next_.start(), None
        if head is None and len(held) >= _LINE_BYTES:
            raise NotReadableError(f"{name} has an image of PNM whose header is damaged")
        return 0, head

    def decode(self, image: memoryview) -> VideoFrame:
        head, self._head = self._head, None
        assert head is not None, "cut by it"
        planes, strides = split_planes(head.format, head.width, head.height, image[head.begin :])
        return VideoFrame(head.format, head.width, head.height, 0, planes, strides)


def _may_begin_before(end: int, held: bytearray, header: bytes) -> bool:
    """Return whether a header may have begun before ``end`` whose last bytes have not come."""
    starts = range(end - len(header) + 1, end - Pnms.magic_bytes + 1)
    return any(header.startswith(bytes(held[start : start + len(header)])) for start in starts)


class PnmHead(NamedTuple):
    """The header of a PGM, PPM or PAM file. ``begin``: where its pixels begin; ``length``: of the whole file, in bytes."""

    format: str
    width: int
    height: int
    begin: int
    length: int


_PNM = re.compile(rb"P([56])(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)\s")
_PAM = re.compile(rb"P7\n(.*?)ENDHDR\n", re.DOTALL)
_PAM_NUMBER = re.compile(rb"^([A-Z]+)[ \t]+(\d+)\s*$", re.MULTILINE)
_PNM_FORMATS = {(1, 255): "GREY", (3, 255): "RGB24", (4, 255): "RGBA", (1, 65535): "Y16BE"}  # channels, largest value → ours


def _pnm_head(data: bytes, name: str) -> PnmHead | None:
    """Return the header, or None if more bytes are needed. Raises NotSupportedError, NotReadableError."""
    found, pam = _PNM.match(data), _PAM.match(data)
    if found is not None:
        channels, (width, height, most) = 1 if found[1] == b"5" else 3, map(int, found.groups()[1:])
    elif pam is not None:
        words = dict(_PAM_NUMBER.findall(pam[1]))
        width, height, channels, most = (int(words.get(key, b"0")) for key in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    else:
        return None
    form = _PNM_FORMATS.get((channels, most))
    if form is None:
        raise NotSupportedError(f"{name} is PNM with {channels} channels up to {most}, which is not supported")
    begin = (found or pam).end()  # type: ignore[union-attr]  # one of them was found
    return PnmHead(form, width, height, begin, begin + picture_bytes(name, form, width, height))


FORMATS_BY_NAME: Mapping[str, Callable[[ByteReader, InputOptions], PipeFormat]] = {
    "rawvideo": raw,
    "y4m": y4m,
    "mjpeg": Jpegs,
    "png": Pngs,
    "pnm": Pnms,
    **dict.fromkeys(SAMPLE_FORMATS, RawSamples),
}
_MAGIC = ((MAGIC, "y4m"), (_PNG, "png"), (b"\xff\xd8\xff", "mjpeg"), (b"P5", "pnm"), (b"P6", "pnm"), (b"P7\n", "pnm"))


def format_of(reader: ByteReader) -> str:
    """Return the name of the format that begins in a pipe, or "" if it is a container, or unknown."""
    return next((name for magic, name in _MAGIC if reader.comes(magic)), "")

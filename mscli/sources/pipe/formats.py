"""Pictures and sound that come one after the other, without a container. Each is passed on as soon as its last byte is there.

- YUV4MPEG2: https://wiki.multimedia.cx/index.php/YUV4MPEG2
- JPEG: https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annex B
- PNG: https://www.w3.org/TR/png-3/#5DataRep
- PGM, PPM, PAM: https://netpbm.sourceforge.net/doc/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

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
    frame_bytes,
    pixel_format,
    split_planes,
)
from mscli.core.loans import FrameMemory
from mscli.core.properties import AUDIO, VIDEO
from mscli.sources.base import Abilities, InputOptions
from mscli.sources.bytereader import ByteReader, EndedEarly
from mscli.sources.demux import USUAL_RATE, decode_image

_LINE_BYTES = 1024  # the longest line of a header
_PICTURE_BYTES = 1 << 28  # the largest picture
_BETWEEN_BYTES = 1 << 20  # the most bytes between two images: some programs and cameras add some to each
_Y4M_FORMATS = {  # its name for the sampling of chroma → ours
    **dict.fromkeys(("420", "420jpeg", "420mpeg2", "420paldv"), "I420"),
    "411": "YUV411",
    "422": "I422",
    "444": "I444",
    "mono": "GREY",
}
_Y4M_FIELDS: Mapping[str, str] = {"t": TOP, "b": BOTTOM}


class PipeFormat:
    """A format of a pipe: reads one picture or block after the other. ``kind``: of the track."""

    kind = VIDEO
    rate = USUAL_RATE  # pictures, or samples per channel, per second
    skipped = 0  # bytes that belong to no picture

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
    """Pictures of one size and pixel format, with the same bytes before each of them."""

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
        self._memory = FrameMemory(_picture_bytes(reader.name, name, *size))

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


def _picture_bytes(source: str, form: str, width: int, height: int) -> int:
    """Return the size of a picture that a header describes. Raises NotReadableError if it cannot be true."""
    count = frame_bytes(form, width, height) if min(width, height) > 0 else 0
    if not 0 < count <= _PICTURE_BYTES:
        limit = f"at least one pixel and at most {_PICTURE_BYTES >> 20} MiB are possible"
        raise NotReadableError(f"{source} claims to have pictures of {width}×{height} pixels; {limit}")
    return count


def y4m(reader: ByteReader, _options: InputOptions) -> PipeFormat:
    """Read the header of YUV4MPEG2 and return the pictures. Raises NotSupportedError, NotReadableError."""
    words = reader.line(_LINE_BYTES).decode("ascii", "replace").split()[1:]
    given: Mapping[str, str] = {word[0]: word[1:] for word in words if not word.startswith("X")}
    sampling = given.get("C", "420")
    name = _Y4M_FORMATS.get(sampling, "")
    if not name:
        hints = ["let ffmpeg write it with -pix_fmt yuv420p"]
        raise NotSupportedError(f"{reader.name} is YUV4MPEG2 with {sampling}, which is not supported", hints=hints)
    try:
        size = int(given["W"]), int(given["H"])
        above, below = (int(part) for part in given.get("F", "25:1").split(":"))
        rate = above / below if above > 0 and below > 0 else USUAL_RATE
    except (KeyError, ValueError, OverflowError):
        raise NotReadableError(f"{reader.name} begins as YUV4MPEG2, but its header is damaged") from None
    color = VideoColorSpace(full_range="XCOLORRANGE=FULL" in words)
    return RawPictures(reader, name, size, rate, b"FRAME\n", color, _Y4M_FIELDS.get(given.get("I", ""), ""))


def raw(reader: ByteReader, options: InputOptions) -> PipeFormat:
    """Return raw pictures as the options describe them. Raises NotSupportedError if a part of the description is missing."""
    if options.size is None or not options.pixel_format:
        hints = ["--input-format rawvideo --input-size 640x480 --input-pixel-format rgb24"]
        raise NotSupportedError(f"the size and the pixel format of the raw pictures from {reader.name} are needed", hints=hints)
    return RawPictures(reader, pixel_format(options.pixel_format).name, options.size, options.rate or USUAL_RATE)


class RawSamples(PipeFormat):
    """Interleaved samples in native byte order, in blocks of 10 ms."""

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


class Images(PipeFormat):
    """Image files one after the other, and what a writer adds to them. A subclass defines how one begins and ends."""

    name = ""  # of the format, for people
    begins = re.compile(b"")  # what every file begins with
    magic_bytes = 1  # how long that is

    def __init__(self, reader: ByteReader, options: InputOptions) -> None:
        self._reader = reader
        self.rate = options.rate or USUAL_RATE
        self._first: Media | None = self._next()
        if self._first is None:
            raise EndedEarly
        self._shape = self._first

    @property
    def abilities(self) -> Abilities:
        shape: Any = self._shape
        name = "MJPEG" if isinstance(shape, EncodedVideoChunk) else shape.format
        return Abilities([Mode(name, shape.coded_width, shape.coded_height, self.rate)])

    def read(self) -> Media | None:
        first, self._first = self._first, None
        return first or self._next()

    def end(self, held: bytearray, count: int) -> int:
        """Return the length of the file that begins these ``count`` bytes, or 0 if more of them are needed."""
        raise NotImplementedError

    def decode(self, image: memoryview) -> Media:
        """Return the picture in an image file."""
        raise NotImplementedError

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

    def _next(self) -> Media | None:
        if not self._skip():
            return None
        length, seen = 0, 0
        while not length:
            held = self._reader.held(seen + 1)
            if len(held) <= seen:
                raise EndedEarly
            seen = len(held)
            length = self.end(held, seen)
            if seen > _PICTURE_BYTES and not length:
                raise NotReadableError(f"{self._reader.name} has an image of more than {_PICTURE_BYTES >> 20} MiB")
        image = memoryview(bytearray(length))
        self._reader.fill(image)
        return self.decode(image.toreadonly())


class Jpegs(Images):
    """JPEG files, as chunks of MJPEG."""

    name = "JPEG"
    begins = re.compile(rb"\xff\xd8\xff")
    magic_bytes = 3

    def __init__(self, reader: ByteReader, options: InputOptions) -> None:
        self._at = 2  # where the next marker is looked for
        super().__init__(reader, options)

    def end(self, held: bytearray, count: int) -> int:
        """Return the length up to the end marker. https://www.w3.org/Graphics/JPEG/itu-t81.pdf, B.1.1.2"""
        while (match := _MARKER.search(held, self._at)) is not None:
            at, marker = match.end(), match[1][0]
            if marker == _EOI:
                self._at = 2
                return at
            if at + 2 > count:
                break
            self._at = at + int.from_bytes(held[at : at + 2], "big")
        else:
            self._at = max(2, min(self._at, count), count - 1) if self._at <= count else self._at
        return 0

    def decode(self, image: memoryview) -> EncodedVideoChunk:
        from mscli.core.jpeg import BrokenJpegError, size

        try:
            width, height = size(image)
        except BrokenJpegError as error:
            raise NotReadableError(f"a frame from {self._reader.name} {error}") from None
        return EncodedVideoChunk(KEY, 0, image, "mjpeg", width, height, color_space=JPEG_COLOR)


_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])", re.DOTALL)  # but for restarts and bytes of the picture
_EOI = 0xD9


_PNG = b"\x89PNG\r\n\x1a\n"


class Pngs(Images):
    """PNG files, decoded."""

    name = "PNG"
    begins = re.compile(re.escape(_PNG))
    magic_bytes = len(_PNG)

    def __init__(self, reader: ByteReader, options: InputOptions) -> None:
        self._at = 8  # where the next part begins
        super().__init__(reader, options)

    def end(self, held: bytearray, count: int) -> int:
        while self._at + 8 <= count:
            length, kind = int.from_bytes(held[self._at : self._at + 4], "big"), held[self._at + 4 : self._at + 8]
            self._at += 12 + length
            if kind == b"IEND":
                end, self._at = self._at, 8
                if end <= count:
                    return end
                self._at = end - 12 - length
                break
        return 0

    def decode(self, image: memoryview) -> VideoFrame:

        return decode_image("png", image, self._reader.name)


class Pnms(Images):
    """PGM, PPM and PAM files."""

    name = "PNM"
    begins = re.compile(rb"P(?:[56][\s#]|7\n)")
    magic_bytes = 3

    def __init__(self, reader: ByteReader, options: InputOptions) -> None:
        self._head: PnmHead | None = None
        super().__init__(reader, options)

    def end(self, held: bytearray, count: int) -> int:
        self._head = self._head or _pnm_head(bytes(held[:_LINE_BYTES]), self._reader.name, whole=count >= _LINE_BYTES)
        return 0 if self._head is None or self._head.length > count else self._head.length

    def decode(self, image: memoryview) -> VideoFrame:
        head, self._head = self._head, None
        assert head is not None, "cut by it"
        planes, strides = split_planes(head.format, head.width, head.height, image[head.begin :])
        return VideoFrame(head.format, head.width, head.height, 0, planes, strides)


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


def _pnm_head(data: bytes, name: str, *, whole: bool) -> PnmHead | None:
    """Return the header, or None if more bytes are needed. Raises NotSupportedError, NotReadableError."""
    found, pam = _PNM.match(data), _PAM.match(data)
    if found is not None:
        channels, (width, height, most) = 1 if found[1] == b"5" else 3, map(int, found.groups()[1:])
    elif pam is not None:
        words = dict(_PAM_NUMBER.findall(pam[1]))
        width, height, channels, most = (int(words.get(key, b"0")) for key in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    elif whole:
        raise NotReadableError(f"{name} has an image of PNM whose header is damaged")
    else:
        return None
    form = _PNM_FORMATS.get((channels, most))
    if form is None:
        raise NotSupportedError(f"{name} is PNM with {channels} channels up to {most}, which is not supported")
    begin = (found or pam).end()  # type: ignore[union-attr]  # one of them was found
    return PnmHead(form, width, height, begin, begin + _picture_bytes(name, form, width, height))


FORMATS_BY_NAME: Mapping[str, Callable[[ByteReader, InputOptions], PipeFormat]] = {
    "rawvideo": raw,
    "y4m": y4m,
    "mjpeg": Jpegs,
    "png": Pngs,
    "pnm": Pnms,
    **dict.fromkeys(SAMPLE_FORMATS, RawSamples),
}
_MAGIC = ((b"YUV4MPEG2 ", "y4m"), (_PNG, "png"), (b"\xff\xd8\xff", "mjpeg"), (b"P5", "pnm"), (b"P6", "pnm"), (b"P7\n", "pnm"))


def format_of(reader: ByteReader) -> str:
    """Return the name of the format that begins in a pipe, or "" if it is a container, or unknown."""
    return next((name for magic, name in _MAGIC if reader.comes(magic)), "")

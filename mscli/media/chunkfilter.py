"""Check chunks before they are decoded or passed on: whether they contain a whole picture, and whether decoding can start.

A stream is passed on from the first chunk at which decoding can start. Parameter sets in a separate chunk are joined to the
next picture. The codec's row determines what is checked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mscli.core.annexb import Content, Units
from mscli.core.clock import MICROSECONDS
from mscli.core.codecs import VIDEO_CODECS, ImageFile, VideoCodec
from mscli.core.frames import EncodedVideoChunk
from mscli.core.jpeg import BrokenJpegError, UnendedJpegError
from mscli.core.log import Burst, Log
from mscli.core.tuples import NamedTuple

if TYPE_CHECKING:
    from mscli.core.references import References

_log = Log("media")

_NOTHING = "holds no {} (no start code)"
_NO_SETS = "lacks the parameter sets ({}) that {} needs"
_NO_KEY = "depends on a key frame that did not arrive"
_REFRESHES = "is not whole yet, behind a recovery point"
NO_REFERENCE = "depends on a frame that was lost"


ALIKE = 5  # images in a row whose size counts, whatever it is


class Faults(NamedTuple):
    """The counts of frames that a sink could not use properly.

    ``why`` is the reason for the latest one, as the end of a sentence about “a frame”.
    """

    damaged: int = 0  # left out: they cannot be decoded into a whole picture
    early: int = 0  # left out: they depend on frames from before the first one
    parts: int = 0  # left out: they contain no picture, only parameter sets for the next one
    torn: int = 0  # damaged but shown, because the camera delivers no others, or they depend on a lost one
    why: str = ""

    @property
    def left_out(self) -> int:
        """Return how many of the frames are not in the output."""
        return self.damaged + self.early + self.parts

    def with_those(self, other: Faults) -> Faults:
        """Return the sum of both."""
        damaged, early = self.damaged + other.damaged, self.early + other.early
        return Faults(damaged, early, self.parts + other.parts, self.torn + other.torn, other.why or self.why)

    def with_new(self, before: Faults, after: Faults) -> Faults:
        """Return the sum of these and those that were found between two counts of another reader."""
        damaged, early = self.damaged + after.damaged - before.damaged, self.early + after.early - before.early
        parts, torn = self.parts + after.parts - before.parts, self.torn + after.torn - before.torn
        return Faults(damaged, early, parts, torn, after.why or self.why)

    @property
    def corrections(self) -> dict[str, int]:
        """Return the counts with the keys of ``Sink.corrections``."""
        return {"decodeErrors": self.damaged, "early": self.early, "parts": self.parts, "torn": self.torn}


NO_FAULTS = Faults()


class ChunkFilter:
    """A filter for a camera's chunks. It passes on the usable ones and counts the others.

    ``whole``: image files are passed on without decoding, so each must be complete and have the size of its chunk. ``broken``:
    whether the latest chunk depends on one that was lost. It is passed on, and shows remains of other pictures: it is torn.
    ``unended``: whether the latest image has no end, so that only decoding tells whether it is complete.
    """

    def __init__(self, *, whole: bool) -> None:
        self.broken = self.unended = False
        self._whole = whole
        self._references: References | None = None
        self._damaged = self._early = self._parts = 0
        self._why = ""
        self._sets = b""  # the latest parameter sets
        self._kinds: frozenset[int] = frozenset()  # their types
        self._waiting = b""  # parameter sets to join to the next picture
        self._begun = False
        self._fits = False  # whether the latest image had the size of its chunk
        self._interrupted = False  # whether it has to begin again
        self._left_out = Burst(_log, "%d frame(s) left out, the latest, of %s, at %.3f s: it %s")

    @property
    def faults(self) -> Faults:
        """Return the counts of the chunks that were not passed on."""
        return Faults(self._damaged, self._early, self._parts, why=self._why)

    @property
    def sets(self) -> bytes:
        """Return the latest parameter sets, or b"" for a codec without."""
        return self._sets

    def pass_on(self, chunk: EncodedVideoChunk) -> memoryview | None:
        """Return the usable bytes of the chunk, or None if it has no usable picture."""
        bad, codec, begun = self._damaged + self._early, VIDEO_CODECS[chunk.codec], self._begun
        data = self._passed_on(chunk, codec)
        if not codec.intra:
            data = self._follow_references(chunk, codec, data, begins=self._begun and not begun)
        if self._damaged + self._early > bad:
            self._left_out.note(1, chunk.codec, chunk.timestamp / MICROSECONDS, self._why)
        elif data is not None:
            self._left_out.end()
        return data

    def lose(self) -> None:
        """Note that the latest chunk could not be decoded, on which the next ones depend."""
        if self._references is not None:
            self._references.lose()

    def _follow_references(
        self, chunk: EncodedVideoChunk, codec: VideoCodec, data: memoryview | None, *, begins: bool
    ) -> memoryview | None:
        """Return the bytes to pass on: none of a chunk that depends on one before the first.

        One that is not whole yet is needed by later ones. A player does not show it, so that it counts as early in a copy.
        """
        references = self._references = self._references or codec.references()
        lacks = references.note(chunk, starts=chunk.key or codec.starts(chunk.data), begins=begins)
        if data is not None and references.leads:
            self._note_early(_NO_KEY)
            data = None
        if data is not None and self._whole and references.refreshes:
            self._note_early(_REFRESHES)
        self.broken = data is not None and lacks
        if self.broken:
            self._why = NO_REFERENCE
        return data

    def begin_again(self, *, passed: bool = True) -> None:
        """Pass on nothing until the next chunk at which decoding can start.

        ``passed``: whether pictures came before. If so, the chunks until then count as damaged, and otherwise as early.
        """
        self._begun, self._interrupted = False, passed

    def _passed_on(self, chunk: EncodedVideoChunk, codec: VideoCodec) -> memoryview | None:
        if codec.image is not None:
            return self._image(chunk, codec.image)
        if codec.units is not None and chunk.description is None:
            return self._with_sets(chunk, codec.units, codec)
        if not (self._begun or chunk.key or codec.starts(chunk.data)):
            self._note_early(_NO_KEY)
            return None
        self._begun = True
        return chunk.data

    def _image(self, chunk: EncodedVideoChunk, image: ImageFile) -> memoryview | None:
        try:
            if self._whole:
                return whole_image(chunk)
            image.check(chunk.data)
            self._check_deviation(chunk, image.size(chunk.data))
            self.unended = _lacks_end(chunk, image)
            return chunk.data
        except BrokenJpegError as error:
            self._damaged += 1
            self._why = str(error)
            return None

    def _check_deviation(self, chunk: EncodedVideoChunk, size: tuple[int, int]) -> None:
        """Raise BrokenJpegError for the first image that has another size than its chunk, after one that had the same."""
        fitted, self._fits = self._fits, size == (chunk.coded_width, chunk.coded_height)
        if fitted:
            _check_size(chunk, size)

    def _with_sets(self, chunk: EncodedVideoChunk, units: Units, codec: VideoCodec) -> memoryview | None:
        data = units.from_first(chunk.data)
        content = units.content(data)
        if content is None:
            self._damaged += 1
            self._why = _NOTHING.format(codec.title)
            return None
        if content.sets:
            self._note_sets(content, units)
        if not content.picture:
            self._parts += 1
            self._waiting += bytes(data)
            return None
        waiting, self._waiting = self._waiting, b""
        if self._begun:
            return memoryview(waiting + bytes(data)) if waiting else data
        if not self._kinds.issuperset(units.needed):
            names = " and ".join(units.names)
            self._note_early(_NO_SETS.format(names, codec.title))
            return None
        if not (chunk.key or units.is_start(data)):
            self._note_early(_NO_KEY)
            return None
        self._begun = True
        return data if content.kinds.issuperset(units.needed) else memoryview(self._sets + bytes(data))

    def _note_early(self, why: str) -> None:
        if self._interrupted:
            self._damaged += 1
        else:
            self._early += 1
        self._why = why

    def _note_sets(self, content: Content, units: Units) -> None:
        """Remember parameter sets. The first type starts a new collection; others are added to it."""
        if units.needed[0] in content.kinds:
            self._sets, self._kinds = content.sets, content.kinds
        elif content.sets not in self._sets:
            self._sets, self._kinds = self._sets + content.sets, self._kinds | content.kinds


class OwnSizes:
    """The sizes that a camera's chunks tell themselves, which take precedence over the driver's."""

    def __init__(self) -> None:
        self._head = b""  # the bytes that told the latest size of a stream
        self._told: tuple[int, int] | None = None  # that size
        self._doubted: bytes | tuple[int, int] | None = None  # such bytes, or such a size, that may be damaged
        self._seen: tuple[int, int] | None = None  # the size in the header of the latest whole image
        self._alike = 0  # how many in a row have had it

    def in_its_own(self, chunk: EncodedVideoChunk, known: tuple[int, int]) -> EncodedVideoChunk:
        """Return the chunk with its own size. ``known``: the size of the previous chunks.

        The header of an image may be damaged. So another size than the driver's only counts if the image is complete, its data
        fits to it, and the previous image, if there was one, had it, too; or if ALIKE images in a row have it. An image that
        deviates keeps the known size, and is damaged.
        """
        codec, said = VIDEO_CODECS[chunk.codec], (chunk.coded_width, chunk.coded_height)
        size: tuple[int, int] | None
        if codec.image is not None:
            size = self._size_of_image(chunk, codec.image, said, known)
        else:
            size = self._size_of_stream(chunk, codec)
        return chunk if size in (said, None) else replace(chunk, coded_width=size[0], coded_height=size[1])

    def _size_of_image(
        self, chunk: EncodedVideoChunk, image: ImageFile, said: tuple[int, int], known: tuple[int, int]
    ) -> tuple[int, int]:
        try:
            size = image.size(chunk.data)
            if size != known:
                size = image.size(complete(chunk, image))
        except BrokenJpegError:
            return known
        is_first, self._alike = self._seen is None, self._alike + 1 if size == self._seen else 1
        self._seen = size
        if size in (said, known) or self._alike == ALIKE:
            return size
        from mscli.media.pictures import needs_all_data

        return size if (is_first or self._alike == 2) and needs_all_data(chunk) else known

    def _size_of_stream(self, chunk: EncodedVideoChunk, codec: VideoCodec) -> tuple[int, int] | None:
        """Return the size in the latest parameter sets or key frame, or None if it is unknown.

        Others than before may be damaged. They count if they can be decoded or come again; a size of VP8 or VP9, if it does.
        """
        head = codec.head(chunk.data) if chunk.description is None else b""
        is_new = bool(head) and head != self._head
        if not is_new and (self._told is not None or not self._head):
            return self._told
        if codec.units is not None and codec.units.content(chunk.data) is None:  # a decoder would take seconds for its units
            return self._told
        from mscli.media.pictures import coded_size

        doubted, self._doubted = self._doubted, None
        sets = self._head if codec.units is not None and not head else b""
        size = coded_size(chunk, sets, strict=is_new and self._told is not None and head != doubted)
        if self._told is not None and is_new and head != doubted:
            if size is None:
                self._doubted = head
                return self._told
            if codec.units is None and size not in (self._told, doubted):  # every key frame tells it
                self._doubted = size
                return self._told
        self._head, self._told = head or self._head, size
        return self._told


def whole_image(chunk: EncodedVideoChunk) -> memoryview:
    """Return a camera's complete image without other bytes. Raises BrokenJpegError."""
    image = VIDEO_CODECS[chunk.codec].image
    assert image is not None, "it is an image file"
    picture = complete(chunk, image)
    _check_size(chunk, image.size(picture))
    return picture


def complete(chunk: EncodedVideoChunk, image: ImageFile) -> memoryview:
    """Return a camera's complete image without other bytes. Raises BrokenJpegError.

    One without an end marker is decoded, which tells whether its data is complete, and gets one.
    """
    try:
        return image.cut(chunk.data)
    except UnendedJpegError:
        from mscli.media.pictures import completed

        data = completed(chunk)
        if data is None:
            raise
        return memoryview(image.ended(data))


def _lacks_end(chunk: EncodedVideoChunk, image: ImageFile) -> bool:
    """Return whether the image may be cut off. Raises BrokenJpegError."""
    try:
        image.cut(chunk.data)
    except UnendedJpegError:
        return True
    return False


def _check_size(chunk: EncodedVideoChunk, size: tuple[int, int]) -> None:
    """Raise BrokenJpegError if an image has another size than its chunk."""
    if size != (chunk.coded_width, chunk.coded_height):
        camera = f"{chunk.coded_width}×{chunk.coded_height}"
        raise BrokenJpegError(f"has {size[0]}×{size[1]} pixels, in a camera mode of {camera}")

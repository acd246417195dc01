"""Tell when pictures are shown that a camera encodes in another order: H.264 and HEVC with B frames.

Some drivers stamp a picture with its capture time, others with the time at which it was encoded. Either way the places of
pictures in the order of display, which the stream tells, give both of their times: when they are shown and when decoded.
"""

from __future__ import annotations

from dataclasses import replace

from mscli.core.codedpictures import CodedPicture, PictureHeaders
from mscli.core.frames import EncodedVideoChunk

_SMOOTH = 0.2  # how much of a new distance between pictures counts, at least
_LONG = 4  # a distance that is this many times the usual one is a gap
_USUAL_MOST = 2  # pictures that are decoded before one that is shown earlier
_MOST_REORDERED = 16  # pictures that a decoder keeps for that, in both standards
_MOST_LOST = 32  # pictures in a row whose loss the driver's numbers can tell
_FIRST_EARLY_US = 50_000  # how long before its capture the first picture may be decoded
_APART_US = 100  # between the decoding of two pictures at least


class DisplayOrder:
    """The times of the chunks of one stream. Those of a stream without reordered pictures are left alone."""

    def __init__(self, headers: PictureHeaders) -> None:
        self._headers = headers
        self._unit = headers.unit
        self._found = 0  # how many pictures are decoded before an earlier one, if only the pictures tell
        self._begin: int | None = None  # that of the latest picture from which others are counted
        self._place = 0  # of the latest picture in the order of display
        self._number = 0  # of the next picture in the order of decoding
        self._sequence = 0  # the driver's number of the latest picture
        self._next = 0  # the first place without a picture
        self._beyond: set[int] = set()  # the places behind it that have one
        self._told = 0  # lost pictures that the driver's numbers have told, and whose places are not known yet
        self._by_capture = False  # whether stamps are capture times
        self._stamp_us: int | None = None  # of the latest picture
        self._step_us = 0.0  # the distance between pictures
        self._steps = 0  # how many distances tell it
        self._decoded_us: int | None = None  # when the latest picture is decoded

    def place(self, chunk: EncodedVideoChunk) -> EncodedVideoChunk:
        """Return the chunk with the time at which it is shown, and how long before that it is decoded."""
        picture = self._headers.read(chunk.data)
        if picture is None or picture.order is None or picture.field or picture.reordered == 0:
            return chunk
        before, place = self._place, self._place_of(picture)
        lost = self._lost_before(chunk)
        if lost:
            self._stamp_us = None  # the distance to the one before tells nothing
        self._learn(chunk, place - before)
        self._place = place
        if place < before and self._number:
            self._found = max(self._found, _USUAL_MOST)
        most = picture.reordered or self._found
        self._told += lost
        lost += self._newly_lost(place, min(picture.reordered or _MOST_REORDERED, _MOST_REORDERED))
        self._number = min(self._number + lost, place + most)
        ahead = place - self._number
        self._number += 1
        if not most:
            self._decoded_us = chunk.timestamp
            return chunk
        base_us = chunk.timestamp - (ahead * self._step_us if self._by_capture else 0)
        shown_us = round(base_us + ahead * self._step_us)
        decoded_us = round(base_us - most * self._step_us)
        if self._decoded_us is None:
            decoded_us = max(decoded_us, shown_us - _FIRST_EARLY_US)
        else:
            decoded_us = max(decoded_us, self._decoded_us + _APART_US)
        self._decoded_us = decoded_us
        return replace(chunk, timestamp=max(shown_us, decoded_us), reorder_us=max(0, shown_us - decoded_us))

    def _place_of(self, picture: CodedPicture) -> int:
        """Return the place in the order of display since the latest picture with which the numbers begin."""
        assert picture.order is not None, "checked"
        if picture.resets or self._begin is None:
            self._number = self._place = self._next = self._told = 0
            self._beyond.clear()
            self._begin = picture.order
        if self._unit > 1 and (picture.order - self._begin) & 1:
            latest = max(1, self._next - _MOST_REORDERED)
            self._beyond = {place * self._unit for place in (*range(latest, self._next), *self._beyond)}
            self._next = (latest - 1) * self._unit + 1
            self._unit = 1
        return (picture.order - self._begin) // self._unit

    def _learn(self, chunk: EncodedVideoChunk, places: int) -> None:
        """Learn the distance between pictures, and what the stamps are. ``places``: how much later the picture is shown."""
        last_us, self._stamp_us = self._stamp_us, chunk.timestamp
        self._step_us = self._step_us or chunk.duration or 0
        if last_us is None or not self._number:
            return
        gone_us = chunk.timestamp - last_us
        if places < 0:
            self._by_capture = gone_us < 0
        elif places > 1:
            self._by_capture = gone_us > (1 + places) / 2 * self._step_us
        step_us = gone_us / places if self._by_capture and places else gone_us
        if 0 < step_us < _LONG * self._step_us:
            self._steps += 1
            self._step_us += max(_SMOOTH, 1 / self._steps) * (step_us - self._step_us)

    def _lost_before(self, chunk: EncodedVideoChunk) -> int:
        """Return how many pictures are missing before this one, by the driver's numbers."""
        gap = chunk.sequence - self._sequence - 1 if self._number else 0
        self._sequence = chunk.sequence
        return gap if 0 < gap < _MOST_LOST else 0

    def _newly_lost(self, place: int, most: int) -> int:
        """Note a picture's place. Return how many pictures are missing before others, which the driver's numbers did not tell.

        A place stays empty if more pictures behind it have come than may be decoded before it.
        """
        if place >= self._next:
            self._beyond.add(place)
        lost = 0
        while self._next in self._beyond or len(self._beyond) > most:
            first = min(self._beyond)
            lost += first - self._next
            self._next = first + 1
            self._beyond.remove(first)
        told = min(lost, self._told)
        self._told -= told
        return lost - told

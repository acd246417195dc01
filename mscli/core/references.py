"""Tell which chunks of a stream depend on one that did not arrive. They are decodable, but show remains of other pictures."""

from __future__ import annotations

from mscli.core.clock import MICROSECONDS
from mscli.core.codedpictures import CodedPicture
from mscli.core.frames import EncodedVideoChunk
from mscli.core.timing import can_be_lost

_USUAL_US = MICROSECONDS // 30  # the distance between pictures, if the source does not tell it


class References:
    """The chunks of one stream so far. By default, the source's numbers tell which of them did not arrive.

    From a missing chunk on, each depends on it, up to the next at which decoding can start. ``leads``: whether the latest chunk
    depends on one before that at which decoding has begun, and is shown before it. ``refreshes``: whether its picture is not
    whole yet, because decoding has begun at a recovery point, from which on the pictures are refreshed part by part.
    """

    def __init__(self) -> None:
        self.leads = self.refreshes = False
        self._lacks = self._lacked = (
            False  # whether the latest chunk depends on a missing one, and whether one at its place would
        )
        self._whole_at: int | None = None  # the place of the first whole picture behind a recovery point
        self._began = False  # whether decoding has begun there
        self._begin: int | None = None  # where the first picture is shown, until others are shown after it
        self._at: tuple[int, int] | None = None  # number and time (µs) of the latest chunk

    def note(self, chunk: EncodedVideoChunk, *, starts: bool, begins: bool = False) -> bool:  # noqa: ARG002
        """Note the next chunk. Return whether it depends on a missing one.

        ``starts``: whether decoding can start at it. ``begins``: whether it does.
        """
        missed = self._misses(chunk)
        self._lacked = self._lacks or missed
        self._lacks = not starts and (self._lacks or missed)
        return self._lacks

    def lose(self) -> None:
        """Note that the latest chunk could not be decoded."""
        self._lacks = True

    def _is_shown_before_first(self, picture: CodedPicture | None, *, begins: bool) -> bool:
        """Return whether a picture is shown before that with which decoding has begun."""
        order = None if picture is None else picture.order
        if begins:
            self._begin = order
        elif self._begin is not None and order is not None and order < self._begin:
            return True
        else:
            self._begin = None
        return False

    def _is_partial(self, place: int, span: int, *, starts: bool, begins: bool) -> bool:
        """Return whether a picture is not whole yet, and set ``refreshes`` if that is because decoding has begun.

        ``place``, ``span``: where it stands, and how much further the first whole one does if decoding starts at it.
        """
        if starts and (begins or self._lacked or not span):
            self._whole_at = place + span
            self._began = begins
        is_partial = self._whole_at is not None and place < self._whole_at
        self._whole_at = self._whole_at if is_partial else None
        self.refreshes = is_partial and self._began
        return is_partial

    def _misses(self, chunk: EncodedVideoChunk) -> bool:
        """Return whether chunks before this one are missing on which it, or a later one, may depend."""
        at = chunk.sequence, chunk.timestamp
        last, self._at = self._at, at
        if last is None or at[0] <= last[0] + 1:
            return False
        return can_be_lost(at[0] - last[0] - 1, at[1] - last[1], MICROSECONDS / (chunk.duration or _USUAL_US))

"""TimeRanges: parts of a medium, in seconds.

https://html.spec.whatwg.org/multipage/media.html#time-ranges
"""

from __future__ import annotations

from collections.abc import Sequence

from mscli.core.errors import IndexSizeError


class TimeRanges:
    """Parts of a medium in order, each with a start and an end in seconds. ``len`` gives how many.

    See https://html.spec.whatwg.org/multipage/media.html#timeranges. Does not differ from the standard.
    """

    def __init__(self, ranges: Sequence[tuple[float, float]] = ()) -> None:
        self._ranges = tuple(ranges)

    def __repr__(self) -> str:
        return f"<TimeRanges {', '.join(f'{start:.3f} … {end:.3f} s' for start, end in self._ranges) or 'empty'}>"

    def __len__(self) -> int:
        return len(self._ranges)

    @property
    def length(self) -> int:
        """Return how many parts there are."""
        return len(self._ranges)

    def start(self, index: int) -> float:
        """Return the start of a part in seconds. Raises IndexSizeError if there is no such part."""
        return self._at(index)[0]

    def end(self, index: int) -> float:
        """Return the end of a part in seconds. Raises IndexSizeError if there is no such part."""
        return self._at(index)[1]

    def _at(self, index: int) -> tuple[float, float]:
        if not 0 <= index < len(self._ranges):
            raise IndexSizeError(f"there is no part {index}: there are {len(self._ranges)}")
        return self._ranges[index]

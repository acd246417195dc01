"""The base class of what shows a preview: a window, a terminal, a page in a browser."""

from __future__ import annotations

from abc import ABC, abstractmethod

from mscli.core.frames import EncodedVideoChunk, VideoFrame
from mscli.core.level import MeterReading
from mscli.core.tuples import NamedTuple


class PreviewFacts(NamedTuple):
    """The facts that a preview shows beside the picture. ``rate``: frames per second that come. ``sound``: None without it."""

    label: str = ""
    size: tuple[int, int] | None = None  # pixels of the picture that is shown
    rate: float = 0.0
    sound: MeterReading | None = None

    def __str__(self) -> str:
        size = [f"{self.size[0]}×{self.size[1]}"] if self.size is not None else []
        rate = [f"{self.rate:.1f} fps"] if self.size is not None else []
        sound = [f"{self.sound.decibels:.0f} dB"] if self.sound is not None else []
        return "  ".join([self.label, *size, *rate, *sound])


class Screen(ABC):
    """A place where pictures are shown. One thread calls ``show`` and ``tell``."""

    rest_s = 0.0  # the least time between two pictures
    share = 0.5  # of a core, at most, for its pictures

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Return whether it shows nothing any more, because people have closed it. Safe from any thread."""

    @property
    def ready(self) -> bool:
        """Return whether a picture would be shown now. If not, do not bother to make one."""
        return not self.closed

    @abstractmethod
    def show(self, frame: VideoFrame | EncodedVideoChunk) -> None:
        """Show a raw frame, or a chunk that can be decoded alone."""

    @abstractmethod
    def tell(self, facts: PreviewFacts) -> None:
        """Show the facts, a few times a second."""

    @abstractmethod
    def close(self) -> None:
        """End it. Safe to call twice."""

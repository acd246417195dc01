"""Tracks for aiortc (https://aiortc.readthedocs.io): a track whose ``recv`` returns PyAV's frames.

aiortc comes with ``mscli[webrtc]``. Its class of tracks is the base class here, so it is defined on use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mscli.api.mediastreamtrackprocessor import FrameReader
from mscli.core.errors import NotSupportedError
from mscli.core.eventloop import VIDEO_QUEUE_BYTES

if TYPE_CHECKING:
    from mscli.api.mediastreamtrack import MediaStreamTrack
    from mscli.core.frames import AudioData, VideoFrame


def to_aiortc(track: MediaStreamTrack) -> Any:
    """Return a track for ``RTCPeerConnection.addTrack`` of aiortc. Stopping it does not stop the track that it reads.

    Raises NotSupportedError if aiortc is not installed.
    """
    try:
        from aiortc.mediastreams import MediaStreamError
        from aiortc.mediastreams import MediaStreamTrack as Base
    except ImportError:
        raise NotSupportedError("aiortc is not installed", hints=["install mscli[webrtc]"]) from None

    class AiortcTrack(Base):
        """The adapter. Times begin with the first frame, as aiortc's own sources have them."""

        kind = track.kind

        def __init__(self) -> None:
            super().__init__()
            self._frames: FrameReader[VideoFrame | AudioData] = FrameReader(track, VIDEO_QUEUE_BYTES)
            self._first_us: int | None = None

        async def recv(self) -> Any:
            """Return the next frame. Raises MediaStreamError after the end."""
            if self.readyState != "live":
                raise MediaStreamError
            try:
                frame = await anext(self._frames)
            except StopAsyncIteration:
                self.stop()
                raise MediaStreamError from None
            if self._first_us is None:
                self._first_us = frame.timestamp
            found = frame.to_av()
            found.pts -= self._first_us
            return found

        def stop(self) -> None:
            """End this track, and stop reading."""
            super().stop()
            self._frames.close()

    return AiortcTrack()

"""BlobEvent: a slice of a recording is available. https://www.w3.org/TR/mediastream-recording/#blobevent-section"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mscli.api.blob import Blob
from mscli.core.errors import ArgumentError
from mscli.core.events import Event, required_member
from mscli.core.readonly import ReadOnly
from mscli.core.webidl import double


class BlobEvent(Event):
    """An event with a slice of a recording, ``data``. ``timecode``: milliseconds since the start of the first slice."""

    data = ReadOnly[Blob]()
    timecode = ReadOnly[float]()

    def __init__(self, type: str, init: Mapping[str, Any]) -> None:  # noqa: A002 (the standard's name)
        self._data: Blob = required_member("BlobEvent", init, "data")
        if not isinstance(self._data, Blob):
            raise ArgumentError("BlobEvent: the member “data” of the init dictionary must be a Blob")
        self._timecode = double(init.get("timecode", 0), "BlobEvent: timecode")
        super().__init__(type, init)

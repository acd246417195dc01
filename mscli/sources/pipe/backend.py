"""A pipe as a camera or a microphone, or both if a container comes through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic

from mscli.core.errors import NotReadableError
from mscli.core.log import Log
from mscli.core.properties import KINDS, TRACK_KINDS
from mscli.sources.base import CONTENTS, DEVICE_KINDS, USUAL_INPUT, Abilities, Backend, Device, InputOptions, Request, Source
from mscli.sources.bytereader import EndedEarly
from mscli.sources.demux import InputContainer
from mscli.sources.feed import InputFeed
from mscli.sources.pipe.feeds import ContainerFeed, FormatFeed, open_stream
from mscli.sources.pipe.formats import FORMATS_BY_NAME, format_of
from mscli.sources.pipe.reader import PipeReader

_log = Log("pipe")


class PipeBackend(Backend):
    """The backend of what another program writes into the pipe at an address. Its beginning is read when this is created.

    Raises NotFoundError, NotAllowedError, NotReadableError, NotSupportedError.
    """

    name = "pipe"

    def __init__(self, address: str, options: InputOptions = USUAL_INPUT) -> None:
        self._address = address
        self._reader = PipeReader(address)
        try:
            self._feed, self._abilities = self._begun(options)
        except BaseException:
            self._reader.close()
            raise

    def _begun(self, options: InputOptions) -> tuple[InputFeed, Mapping[str, Callable[[], Abilities]]]:
        """Read the beginning. Return the feed that reads the rest, and for each kind a function that returns its abilities."""
        reader = self._reader
        reader.deadline_s = monotonic() + options.timeout_s
        if not reader.held(1):
            raise NotReadableError(f"{reader.name} is empty: its writer has ended")
        make = FORMATS_BY_NAME.get(options.format or format_of(reader))
        if make is None:
            container = InputContainer(open_stream(reader, options.format), reader.name)
            content = container.describe(decode=False)
            reader.deadline_s = None
            _log.info("%s: a container with %s", reader.name, " and ".join(content.kinds) or "nothing")
            return ContainerFeed(reader, container, content, live=options.paced), content.kinds
        try:
            parts = make(reader, options)
        except EndedEarly:
            raise NotReadableError(f"{reader.name} ended before its first frame was complete") from None
        reader.deadline_s = None
        _log.info("%s: %s", reader.name, type(parts).__name__)
        return FormatFeed(reader, parts, live=options.paced), {parts.kind: lambda: parts.abilities}

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        """Return a device for each kind of track that comes through the pipe."""
        label = self._reader.name
        there = [kind for kind in self._abilities if KINDS[kind] in kinds]
        return [
            Device(self._address, KINDS[kind], label, self._address, self.name, called=CONTENTS[KINDS[kind]]) for kind in there
        ]

    def abilities(self, device: Device) -> Abilities:
        """Return what a track can be set to. Raises the error of a stream that cannot be used."""
        return self._abilities[TRACK_KINDS[device.kind]]()

    def open(self, device: Device, request: Request) -> Source:
        """Open a track of the pipe."""
        return self._feed.open(TRACK_KINDS[device.kind], request.settings, request.pixel_format)

    def close(self) -> None:
        """Close the pipe, so that its writer notices."""
        _log.debug("%s: close", self._reader.name)
        self._reader.stopping = True
        self._feed.close()
        self._reader.close()

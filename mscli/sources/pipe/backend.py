"""A pipe as a camera or a microphone, or both if a container comes through it."""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic

from mscli.core.errors import NotAllowedError, NotFoundError, NotReadableError
from mscli.core.log import Log
from mscli.core.properties import KINDS, TRACK_KINDS
from mscli.sources.base import CONTENTS, DEVICE_KINDS, USUAL_INPUT, Abilities, Backend, Device, InputOptions, Request, Source
from mscli.sources.bytereader import ByteReader, EndedEarly
from mscli.sources.demux import InputContainer
from mscli.sources.feed import InputFeed
from mscli.sources.pipe.feeds import ContainerFeed, FormatFeed, open_stream
from mscli.sources.pipe.formats import FORMATS_BY_NAME, format_of

_log = Log("pipe")

_POLL_MS = 100  # how often a reader that waits looks whether it is still wanted
_PIPE_BYTES = 1 << 20  # what a pipe can hold at most without privileges


class PipeReader(ByteReader):
    """The reading end of a pipe: ``-``, ``fd:N``, or the path of a FIFO. A context manager.

    Its writer may be slow, stall or die. Nothing waits once ``stopping`` is set. Raises NotFoundError, NotAllowedError or
    NotReadableError if it cannot be read.
    """

    def __init__(self, address: str) -> None:
        super().__init__()
        self.name = "stdin" if address == "-" else address
        self._fd, self._owned = _descriptor(address, self.name)
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)
        _make_large(self._fd)
        _log.debug("%s: opened as descriptor %d", self.name, self._fd)

    def close(self) -> None:
        """Close the pipe, unless it is not ours."""
        if self._owned:
            self._owned = False
            os.close(self._fd)

    def fill_most(self, *parts: memoryview) -> int:
        """Fill the parts in turn until the writer ends. Errors are translated once for all that is read."""
        with _errors_translated(self.name):
            return super().fill_most(*parts)

    def _read_into(self, parts: list[memoryview]) -> int:
        if not self._comes():
            return 0
        count = os.readv(self._fd, parts)
        self._note_end(not count)
        return count

    def _some(self, count: int) -> bytes:
        with _errors_translated(self.name):
            data = os.read(self._fd, count)
        self._note_end(not data)
        return data

    def _note_end(self, ended: bool) -> None:
        self._ended = ended
        if ended:
            _log.info("%s: its writer has ended", self.name)

    def _comes(self) -> bool:
        """Wait until there is something to read, the end included. Return False at the end, and after ``stop``.

        Raises NotReadableError at the deadline.
        """
        while not (self.stopping or self._ended):
            if self._poll.poll(_POLL_MS):
                return True
            if self.deadline_s is not None and monotonic() > self.deadline_s:
                raise NotReadableError(
                    f"nothing comes from {self.name}", hints=["start its writer first, or wait with --timeout"]
                )
        return False


@contextmanager
def _errors_translated(name: str) -> Iterator[None]:
    """Raise NotAllowedError or NotReadableError for an error of the system while it reads a pipe."""
    try:
        yield
    except PermissionError:
        raise NotAllowedError(f"no permission to read {name}") from None
    except OSError as error:
        raise NotReadableError(f"cannot read {name}: {(error.strerror or str(error)).lower()}") from error


def _descriptor(address: str, name: str) -> tuple[int, bool]:
    """Return the descriptor of an address, and whether it is ours to close."""
    import fcntl

    if address != "-" and not address.lower().startswith("fd:"):
        with _errors_translated(name):
            return os.open(address, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), True
    number = "0" if address == "-" else address[3:]
    if not (number.isascii() and number.isdigit()):
        raise NotFoundError(f"{name} is not the number of a descriptor, such as fd:3")
    hints = [f"redirect it in the shell: {number}< FIFO"]
    try:
        mode = os.fstat(int(number)).st_mode
    except (OSError, OverflowError, ValueError):  # not open, or larger than a descriptor or an int of Python can be
        raise NotFoundError(f"{name} is not open", hints=hints) from None
    if fcntl.fcntl(int(number), fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY:
        raise NotReadableError(f"{name} is open only for writing", hints=hints)
    if stat.S_ISCHR(mode) and os.isatty(int(number)):
        raise NotReadableError(f"{name} is a terminal, not a pipe", hints=["write into it: PROGRAM | mscli ..."])
    return int(number), False


def _make_large(fd: int) -> None:
    """Let the pipe hold as much as it can, so that writer and reader run side by side."""
    if sys.platform == "linux":
        import fcntl
        from contextlib import suppress

        with suppress(OSError):  # not a pipe, or the system allows less
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


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

"""``--control``: commands as lines of JSON, from stdin or a socket. Each one gets an answer line.

One thread reads, executes and answers, line by line, until the run ends. Nothing is queued. A client that writes faster than
commands execute has to wait, and so does one that does not read its answers.

Bounds: ``LINE_BYTES`` per line, ``MOST_CLIENTS`` clients at a time, ``ANSWER_BYTES`` of unread answers per client. A client
that reads no answer for ``CLIENT_SLEEPS_S`` is dropped.
"""

from __future__ import annotations

import os
import socket
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from threading import Event as Flag
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mscli.api.commands import Run
from mscli.cli.eventlog import EventLog, event_line
from mscli.cli.paramtypes import STDIN, UNIX
from mscli.cli.shared import parse_json
from mscli.core.clock import now_us
from mscli.core.errors import ArgumentError, DOMException, NotSupportedError, OperationError
from mscli.core.limits import CLIENT_SLEEPS_S, COMMAND_CLOSED_S
from mscli.core.log import Log
from mscli.core.threads import Thread
from mscli.core.unixsocket import UnixListener

if TYPE_CHECKING:
    from mscli.cli.session import Session

LINE_BYTES = 1 << 20
ANSWER_BYTES = 1 << 16
MOST_CLIENTS = 16

_READ_BYTES = 1 << 16
_POLL_S = 0.5  # the interval between checks for stalled clients

_log = Log("control")


class LineSplitter:
    """A splitter of bytes into lines. A line longer than ``LINE_BYTES`` is replaced by None."""

    def __init__(self) -> None:
        self._start = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """Yield the lines that the new bytes complete."""
        *whole, rest = data.split(b"\n")
        for part in whole:
            yield self._line(part)
        if not self._skipping:
            self._start += rest
            if len(self._start) > LINE_BYTES:
                self._start.clear()
                self._skipping = True

    def rest(self) -> Iterator[bytes | None]:
        """Yield the last line if it has no line break."""
        if self._start or self._skipping:
            yield self._line(b"")

    def _line(self, part: bytes) -> bytes | None:
        line = bytes(self._start) + part
        skipped = self._skipping or len(line) > LINE_BYTES
        self._start.clear()
        self._skipping = False
        return None if skipped else line


class Channel(ABC):
    """A sender of commands: the lines received from it, and the way to answer."""

    name = ""  # for the log

    def __init__(self) -> None:
        self.ended = False  # whether the sender has closed its side
        self._cutter = LineSplitter()
        self._lines: deque[bytes | None] = deque()  # bound: one read; these are executed before more is read
        self._number = 0  # of the line

    @abstractmethod
    def fileno(self) -> int:
        """Return the descriptor from which lines are read."""

    @abstractmethod
    def answer(self, answer: dict[str, Any]) -> None:
        """Send an answer, or keep it until ``send``. Raises OSError if the other side is gone."""

    def send(self) -> None:  # noqa: B027 (not every channel keeps answers)
        """Send waiting answers as far as possible without blocking. Raises OSError if the other side is gone."""

    @property
    def waits(self) -> bool:
        """Return whether answers are waiting to be sent."""
        return False

    @property
    def full(self) -> bool:
        """Return whether no more commands should execute until answers have been read."""
        return False

    @property
    def sleeps(self) -> bool:
        """Return whether no answer has been read for too long."""
        return False

    def close(self) -> None:  # noqa: B027 (not every channel is ours to close)
        """Close the connection. What was sent can still be read."""

    @property
    def ready(self) -> bool:
        """Return whether a line can be executed."""
        return bool(self._lines) and not self.full

    @property
    def reads(self) -> bool:
        """Return whether to read more."""
        return not (self.ended or self._lines)

    @property
    def finished(self) -> bool:
        """Return whether every line is executed and every answer is sent."""
        return self.ended and not self._lines and not self.waits

    def read(self) -> None:
        """Read the available bytes. Raises OSError if the other side is gone."""
        try:
            data = os.read(self.fileno(), _READ_BYTES)
        except BlockingIOError:
            return
        self._lines += self._cutter.feed(data)
        if not data:
            self.ended = True
            self._lines += self._cutter.rest()

    def perform_one(self, run: Run) -> None:
        """Execute the next line and answer it. Ignore an empty line."""
        line = self._lines.popleft()
        self._number += 1
        if line is None or line.strip():
            self.answer(perform_line(line, self._number, run))


class ControlChannel:
    """The control channel of a run.

    It opens before the devices, serves as soon as there is a run, and closes at the end.
    """

    def __init__(self, address: str, session: Session, *, to_stdout: bool) -> None:
        self._address = address
        self._session = session
        self._to_stdout = to_stdout
        self._listener: ControlSocket | None = None
        self._closing = Flag()
        self._wake: tuple[int, int] | None = None  # a pipe whose second end wakes the thread when it is closed
        self._thread: Thread | None = None
        self._stdin: Stdin | None = None

    def __enter__(self) -> ControlChannel:
        """Open the channel. Raises OperationError, NotSupportedError."""
        if self._address == STDIN:
            self._stdin = Stdin(self._session, self._closing, to_stdout=self._to_stdout)
        else:
            self._listener = ControlSocket(self._address.removeprefix(UNIX))
        return self

    def serve(self, run: Run) -> None:
        """Execute commands from now on."""
        source = self._stdin or self._listener
        assert source is not None, "it was entered"
        self._wake = os.pipe()
        server = _ControlThread(source, run, self._closing, self._wake[0])
        self._thread = Thread(target=server.run, name="mscli-control", daemon=True)
        self._thread.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closing.set()
        if self._stdin is not None:
            self._stdin.release()
        if self._wake is not None:
            os.close(self._wake[1])
        if self._thread is not None:
            self._thread.join(COMMAND_CLOSED_S)
            if self._thread.is_alive():
                _log.warning("abandoned: a command was still running at the end")
        if self._stdin is not None:
            self._stdin.finish()
        if self._listener is not None:
            self._listener.close()


class Stdin(Channel):
    """The channel of stdin. Its answers are events that the main thread writes, like all others.

    They go to the ``--events`` file, or else to stdout, or to stderr if stdout carries media.
    """

    name = "stdin"

    def __init__(self, session: Session, closing: Flag, *, to_stdout: bool) -> None:
        super().__init__()
        self._session = session
        self._closing = closing
        self._answered = Flag()
        self._own: EventLog | None = None
        if not session.events.written:
            self._own = EventLog("/dev/stderr" if to_stdout else "-", session.voice.warn)
            self._own.open(session.stopper.interrupt_if_requested)

    def fileno(self) -> int:
        return 0

    def answer(self, answer: dict[str, Any]) -> None:
        """Post the answer to the main thread and wait until it is written."""
        self._answered.clear()

        def write() -> None:
            (self._own or self._session.events).emit(**answer)
            self._answered.set()

        self._session.event_loop.post(write)
        if not self._closing.is_set():
            self._answered.wait()

    def release(self) -> None:
        """Stop waiting for answers to be written, because the channel is closing."""
        self._answered.set()

    def finish(self) -> None:
        """Write the remaining answers, on the main thread."""
        self._session.event_loop.run_tasks()
        if self._own is not None:
            self._own.close()


class ControlSocket:
    """A Unix socket for clients, accessible only to its owner. It exists until ``close``.

    Raises OperationError if it cannot be created or the path is taken, NotSupportedError if the system has no Unix sockets.
    """

    def __init__(self, path: str) -> None:
        if not hasattr(socket, "AF_UNIX"):
            raise NotSupportedError("this system has no Unix sockets", hints=["--control - reads commands from stdin"])
        try:
            self._listener = UnixListener(path, MOST_CLIENTS)
        except OSError as error:
            hints = ["choose another name for --control unix:PATH"]
            raise OperationError(f"cannot create the control socket {path}: {error.strerror or error}", hints=hints) from error
        self.socket = self._listener.socket
        _log.info("listening at %s", os.path.abspath(path))

    def close(self) -> None:
        """Remove the socket, unless something else has taken its path."""
        self._listener.close()


class Client(Channel):
    """One connection to the socket."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self.name = f"client {connection.fileno()}"
        self._connection = connection
        connection.setblocking(False)
        self._out = bytearray()
        self._moved_s = monotonic()  # when it last read something or had nothing to read

    def fileno(self) -> int:
        return self._connection.fileno()

    def answer(self, answer: dict[str, Any]) -> None:
        """Send the answer as far as possible now. The rest waits for ``send``."""
        if not self._out:
            self._moved_s = monotonic()
        self._out += event_line(now_us(), **answer)
        self.send()

    def send(self) -> None:
        """Send waiting answers as far as possible. Raises OSError if the client is gone."""
        with suppress(BlockingIOError):
            while self._out:
                sent = self._connection.send(self._out)
                del self._out[:sent]
                self._moved_s = monotonic()

    @property
    def waits(self) -> bool:
        return bool(self._out)

    @property
    def full(self) -> bool:
        return len(self._out) >= ANSWER_BYTES

    @property
    def sleeps(self) -> bool:
        return self.waits and monotonic() - self._moved_s > CLIENT_SLEEPS_S

    def close(self) -> None:
        """Close the connection. What was sent can still be read."""
        self._connection.close()


class _ControlThread:
    """The thread of the control channel: it reads lines, executes them and answers."""

    def __init__(self, source: Stdin | ControlSocket, run: Run, closing: Flag, wake: int) -> None:
        self._listener = source if isinstance(source, ControlSocket) else None
        self._channels: list[Channel] = [] if isinstance(source, ControlSocket) else [source]
        self._run = run
        self._closing = closing
        self._wake = wake

    def run(self) -> None:
        """Serve until the channel is closed or stdin has ended."""
        try:
            while not self._closing.is_set() and (self._listener is not None or self._channels):
                self._wait()
                for channel in list(self._channels):
                    self._serve(channel)
        finally:
            for channel in list(self._channels):
                self._drop(channel, "the run has ended")
            os.close(self._wake)

    def _wait(self) -> None:
        """Wait until there is work, and read what has arrived."""
        import selectors

        if any(channel.ready for channel in self._channels):
            return
        with getattr(selectors, "PollSelector", selectors.SelectSelector)() as selector:  # epoll does not accept regular files
            selector.register(self._wake, selectors.EVENT_READ)
            if self._listener is not None and len(self._channels) < MOST_CLIENTS:
                selector.register(self._listener.socket, selectors.EVENT_READ)
            for channel in self._channels:
                events = selectors.EVENT_READ * channel.reads | selectors.EVENT_WRITE * channel.waits
                if events:
                    selector.register(channel.fileno(), events, channel)
            sleeping = any(channel.waits for channel in self._channels)
            for key, events in selector.select(_POLL_S if sleeping else None):
                if isinstance(key.data, Channel):
                    self._move(key.data, reads=bool(events & selectors.EVENT_READ))
                elif self._listener is not None and key.fileobj is self._listener.socket:
                    self._accept(self._listener.socket)

    def _accept(self, listening: socket.socket) -> None:
        try:
            connection, _ = listening.accept()
        except OSError as error:  # the client is gone, or no descriptors are left
            _log.warning("cannot accept a client: %s", error.strerror)
            self._closing.wait(_POLL_S)
            return
        self._channels.append(Client(connection))
        _log.info("%s connected", self._channels[-1].name)

    def _move(self, channel: Channel, *, reads: bool) -> None:
        try:
            channel.send()
            if reads:
                channel.read()
        except OSError as error:
            self._drop(channel, error.strerror or str(error))

    def _serve(self, channel: Channel) -> None:
        """Execute one line. Drop the channel if it has finished or its client is stalled."""
        try:
            if channel.ready and not self._closing.is_set():
                channel.perform_one(self._run)
        except OSError as error:
            self._drop(channel, error.strerror or str(error))
        if channel.finished:
            self._drop(channel, "it has ended")
        elif channel.sleeps:
            self._drop(channel, "disconnected: it does not read its answers")

    def _drop(self, channel: Channel, why: str) -> None:
        if channel in self._channels:
            self._channels.remove(channel)
            log = _log.warning if channel.waits else _log.info
            log("%s: %s", channel.name, why)
            channel.close()


def perform_line(line: bytes | None, number: int, run: Run) -> dict[str, Any]:
    """Execute a line and return its answer: an event with “ok”, and the id and the command's name if known.

    ``line``: None if the line was too long. ``number``: the line's number, for messages.
    """
    known: dict[str, Any] = {}
    try:
        command = _parse(line, number)
        if "id" in command:
            known["id"] = command.pop("id")
        if len(command) == 1:
            known["command"] = next(iter(command))
        return {"type": "answer", **known, "ok": True, **run.perform(command)}
    except (DOMException, ArgumentError) as error:
        failure = error.to_json()
    except Exception as error:  # a defect must not end a recording
        sys.excepthook(*sys.exc_info())
        failure = {"name": "UnknownError", "message": f"internal error, a bug in mscli: {type(error).__name__}: {error}"}
    _log.info("refused: %s", failure["message"])
    return {"type": "error", **known, "ok": False, "error": failure}


def _parse(line: bytes | None, number: int) -> dict[str, Any]:
    where = f"control line {number}"
    if line is None:
        raise ArgumentError(f"{where} is longer than {LINE_BYTES} bytes")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise ArgumentError(f"{where} is not UTF-8 text") from None
    command = parse_json(text, where)
    if not isinstance(command, dict):
        raise ArgumentError(f'{where} is not an object such as {{"pause": true}}')
    return command

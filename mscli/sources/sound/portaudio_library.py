"""PortAudio in this process: load it on first use, silence it, renew its device list, translate its errors.

https://files.portaudio.com/docs/v19-doxydocs/, through https://python-sounddevice.readthedocs.io/. All global state of
PortAudio (the device list, its environment variables, the output of C libraries) is handled here, under one lock.
"""

from __future__ import annotations

import atexit
import ctypes
import errno
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from time import monotonic, sleep
from typing import Any, TypeVar

from mscli.core.boxes import Scalar
from mscli.core.calls import bounded
from mscli.core.errors import DOMException, NotFoundError, NotReadableError
from mscli.core.limits import SOUND_ASKED_S, SOUND_END_S
from mscli.core.log import Log
from mscli.core.tuples import NamedTuple
from mscli.sources.sound.alsa import in_use

SONAME = "libportaudio.so.2"
STDERR = 2
POLL_S = 0.01  # the interval between checks at exit whether streams have ended
NO_SERVER = {"PULSE_SERVER": "unix:/nonexistent"}  # an address without a sound server

# bits → PortAudio's name, our name; 24 bits come as the upper ones of 32
SAMPLE_TYPES = {16: ("int16", "s16"), 24: ("int32", "s32"), 32: ("int32", "s32")}
PROCESSING: Mapping[str, Scalar] = {"echoCancellation": False, "autoGainControl": False, "noiseSuppression": False}

T = TypeVar("T")

_log = Log("sound")


class PortAudioHandle(NamedTuple):
    """The key by which PortAudio finds a device: its name in the list, or the ALSA address in it ("hw:0,1").

    Of several names, the first one in the list counts. If the device is a whole sound server, ``part`` is the source or sink,
    and ``sink`` the sink that this is or whose sound it records.
    """

    names: tuple[str, ...]
    direction: str  # "input" or "output", PortAudio's words
    part: str = ""
    sink: str = ""

    @property
    def variables(self) -> Mapping[str, str]:
        """Return the environment variables that select the part, for ALSA's PulseAudio or PipeWire plug-in."""
        if not self.part:
            return {}
        import json

        monitor = {"stream.capture.sink": "true"} if self.sink and self.direction == "input" else {}
        target = json.dumps({"target.object": self.sink or self.part, **monitor})
        return {"PULSE_SOURCE" if self.direction == "input" else "PULSE_SINK": self.part, "PIPEWIRE_ALSA": target}


class Listed(NamedTuple):
    """A device in PortAudio's list."""

    number: int  # PortAudio's number
    name: str
    channels: int  # the maximum
    rate: int  # Hz, the default
    low_latency: float  # seconds
    high_latency: float
    default: bool


class _QuietLibraries:
    """A lock on the output of C libraries: PortAudio and ALSA print to C's ``stderr``, also from their own threads.

    Only glibc's ``FILE *`` is redirected, not file descriptor 2, so Python's ``sys.stderr`` still works. ``hold`` and
    ``release`` nest, and may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holds = 0
        self._null: int | None = None
        self._printing: int | None = None

    def hold(self) -> None:
        """Suppress output from now on."""
        with self._lock:
            self._holds += 1
            if self._holds == 1:
                self._printing = self._swap(self._open_null())

    def release(self) -> None:
        """Allow output again after every hold was released."""
        with self._lock:
            self._holds -= 1
            if not self._holds:
                self._swap(self._printing)

    def __enter__(self) -> None:
        self.hold()

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def possible(self) -> bool:
        """Return whether this is glibc."""
        return os.name == "posix" and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")

    def _open_null(self) -> int | None:
        if self._null is None and self.possible:
            libc = ctypes.CDLL(None)
            libc.fopen.restype = ctypes.c_void_p
            self._null = libc.fopen(os.devnull.encode(), b"w")
        return self._null

    def _swap(self, file: int | None) -> int | None:
        """Make ``file`` (a ``FILE *``) C's stderr and return the previous one. Do nothing for None."""
        if file is None:
            return None
        stderr = ctypes.c_void_p.in_dll(ctypes.CDLL(None), "stderr")
        before, stderr.value = stderr.value, file
        return before


silence = _QuietLibraries()


@contextmanager
def _starting(served: bool) -> Iterator[None]:
    """Silence PortAudio while sounddevice starts it. ``served``: a sound server answers and may be used."""
    with silence, _stderr_kept() if silence.possible else nullcontext(), environment({} if served else NO_SERVER):
        yield


@contextmanager
def _stderr_kept() -> Iterator[None]:
    """Keep sounddevice from redirecting file descriptor 2 to /dev/null, which would lose other threads' output.

    It does that whenever it starts PortAudio, unless the descriptor cannot be duplicated. So on this thread, duplicating it
    fails.
    """
    thread, dup = threading.get_ident(), os.dup

    def dup_elsewhere(fd: int, /) -> int:
        if fd == STDERR and threading.get_ident() == thread:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return dup(fd)

    os.dup = dup_elsewhere
    try:
        yield
    finally:
        os.dup = dup


def _keep_mapped() -> None:
    """Keep PortAudio, and the libraries that it needs, in memory until the process ends.

    At the interpreter's exit, cffi unloads a library that sounddevice opened. A thread that still runs in it, such as one that
    starts PortAudio, would crash the process. ctypes unloads none.
    """
    with suppress(OSError):  # ``load`` says what is missing
        ctypes.CDLL(SONAME)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables temporarily, for C code that reads them. The caller holds the library's lock."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class Library:
    """The library and its device list, which is as old as its start. It can only be renewed while no stream is open."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._module: Any = None
        self._streams: set[Any] = set()  # the open streams
        self._ending = False  # whether the interpreter is exiting
        self._hardware = ""  # the kernel's list at the time of PortAudio's

    def require(self) -> None:
        """Raise NotFoundError, with a remedy, if PortAudio is missing. Cheap: does not start PortAudio."""
        try:
            ctypes.CDLL(SONAME)
        except OSError:
            self.load()

    def load(self, served: bool = False) -> Any:
        """Return the module ``sounddevice``, with PortAudio started. Raises NotFoundError if PortAudio is missing.

        On its start it queries the sound server, for as long as that takes, and might start one. ``served``: a server answers.
        """
        with self._alone():
            if self._module is None:
                _log.debug("PortAudio: load%s", ", with a sound server" if served else "")
                _keep_mapped()
                with _starting(served):
                    self._module = _import_sounddevice()
                # this handler would wait forever for a call that hangs, and crash a running call
                atexit.unregister(self._module._exit_handler)
                atexit.register(self._end)
            return self._module

    @property
    def frozen(self) -> bool:
        """Return whether a stream is open, so that the list cannot be renewed."""
        return bool(self._streams)

    def renew(self, served: bool = False) -> bool:
        """Read the device list again, unless that would end a stream. Return whether it is up to date."""
        with self._alone(), self.translated("PortAudio"):
            if self._module is not None and not self._streams:
                _log.debug("PortAudio: reload the device list")
                self._module._terminate()
                with _starting(served):
                    self._module._initialize()
            return not self._streams

    def follow(self, hardware: str, *, closely: bool) -> None:
        """Renew the list if ``hardware``, on which it depends, has changed. Empty: unknown.

        Renewing briefly opens every device, which takes time. A mere listing does not need it if there was and is any hardware,
        because then it only uses the entries besides hardware (ALSA's ``default``).
        """
        same = hardware == self._hardware if closely else bool(self._hardware)
        if not (hardware and same) and self.renew():
            self._hardware = hardware

    def listed(self, direction: str) -> list[Listed]:
        """Return the devices of a direction under the system's main sound interface (ALSA, Core Audio, ...)."""
        with self._alone(), self.translated("PortAudio"):
            module = self.load()
            api = module.query_hostapis(module.default.hostapi)
            default = api[f"default_{direction}_device"]
            listed = (_listed(module.query_devices(index), direction, index == default) for index in api["devices"])
            return [entry for entry in listed if entry.channels > 0]

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Keep the list and its numbers unchanged, because another thread may want to renew them."""
        with self._alone():
            yield

    def find(self, handle: PortAudioHandle) -> Listed | None:
        """Return the device of a handle, from a renewed list if necessary. For part of a sound server, that server answers."""
        with self._alone():
            self.load(served=bool(handle.part))
            found = self._find(handle)
            if found is None and self.renew(served=bool(handle.part)):
                found = self._find(handle)
            return found

    def accepts(self, handle: PortAudioHandle, label: str, number: int, **settings: Any) -> bool:
        """Return whether the device can be opened with these settings. Raises NotReadableError if it is in use."""
        with self._alone(), silence, environment(handle.variables):
            module = self.load()
            try:
                getattr(module, f"check_{handle.direction}_settings")(device=number, **settings)
            except module.PortAudioError as error:
                _log.debug("PortAudio: “%s” rejects %s: %s", label, settings, error)
                if _code(error) == UNAVAILABLE:
                    raise busy(label, handle) from error
                return False
            return True

    def open_stream(
        self, handle: PortAudioHandle, label: str, number: int, callback: Callable[..., object], **settings: Any
    ) -> Any:
        """Return a raw stream of ``sounddevice`` that is not started yet. Raises NotReadableError, NotFoundError."""
        kind = "RawInputStream" if handle.direction == "input" else "RawOutputStream"

        def call_back(*block: Any) -> None:
            if self._ending:
                raise self._module.CallbackAbort
            callback(*block)

        _log.debug("PortAudio: open “%s” as %s %s: %s", label, handle.names, handle.part, settings)
        with self._alone(), silence, environment(handle.variables), self.translated(label, handle):
            stream = getattr(self.load(), kind)(device=number, callback=call_back, **settings)
            self._streams.add(stream)
            silence.hold()  # until the stream is closed, because PortAudio's thread prints when a device goes away
            _log.debug("PortAudio: opened “%s”, latency %g s", label, stream.latency)
            return stream

    def close(self, stream: Any) -> None:
        """Stop a stream at once and release its device. Hangs if the sound server does: see ``bounded``."""
        _log.debug("PortAudio: close a stream")
        stream.abort()
        with self._alone():
            stream.close()
            self._streams.discard(stream)
        silence.release()

    @contextmanager
    def translated(self, label: str, handle: PortAudioHandle | None = None) -> Iterator[None]:
        """Translate PortAudio's errors into ours, about the device ``label``."""
        try:
            yield
        except Exception as error:
            if self._module is not None and isinstance(error, self._module.PortAudioError):
                _log.debug("PortAudio: “%s” failed: %s", label, error)
                raise _translate(error, label, handle) from error
            raise

    def bounded(
        self, call: Callable[[], T], timeout_s: float, label: str, release: Callable[[T], object] = lambda _: None
    ) -> T:
        """Return ``call()`` within a time limit. Raises NotReadableError; a later result goes to ``release``."""
        try:
            return bounded(call, timeout_s, "mscli-portaudio-call", release)
        except TimeoutError as error:
            _log.warning("PortAudio: “%s” did not respond within %g s", label, timeout_s)
            message = f"“{label}” does not answer, because its driver or the sound server hangs"
            raise NotReadableError(message, hints=RESTART) from error

    def _end(self) -> None:
        """Prevent callbacks after the interpreter's exit, which would crash the process.

        The callbacks end their streams themselves, because a call to do so may hang. PortAudio is only terminated if nothing is
        open and no call is running, because otherwise it would wait or crash. The system cleans up the rest.
        """
        self._ending = True
        alone = self._lock.acquire(timeout=SOUND_END_S)  # and keep it: nothing is opened after this
        deadline = monotonic() + SOUND_END_S
        while any(stream.active for stream in tuple(self._streams)) and monotonic() < deadline:
            sleep(POLL_S)  # a stream that delivers nothing for this long will deliver nothing more
        if alone and not self._streams:
            self._module._exit_handler()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=SOUND_ASKED_S):
            raise NotReadableError("PortAudio does not answer, because a driver or the sound server hangs", hints=RESTART)
        try:
            yield
        finally:
            self._lock.release()

    def _find(self, handle: PortAudioHandle) -> Listed | None:
        listed = self.listed(handle.direction)
        named = (entry for name in handle.names for entry in listed if entry.name == name or entry.name.endswith(f"({name})"))
        return next(named, None)  # PortAudio's names of hardware end in “(hw:0,1)”


def _import_sounddevice() -> Any:
    try:
        import sounddevice
    except OSError as error:
        raise NotFoundError("PortAudio is not installed", hints=[_remedy()]) from error
    except Exception as error:
        raise NotReadableError(f"PortAudio cannot start: {error}") from error
    return sounddevice


def _remedy() -> str:
    debian = os.path.exists("/usr/bin/apt-get")
    return "install it: sudo apt install libportaudio2" if debian else "install the package portaudio of your system"


def _listed(info: Mapping[str, Any], direction: str, default: bool) -> Listed:
    low, high = info[f"default_low_{direction}_latency"], info[f"default_high_{direction}_latency"]
    channels, rate = info[f"max_{direction}_channels"], int(info["default_samplerate"])
    return Listed(info["index"], info["name"], channels, rate, low, high, default)


RESTART = ("restart the sound server: systemctl --user restart pipewire pipewire-pulse, or pulseaudio -k",)
BUSY = ("close the program that uses it; find it with `sudo fuser -v /dev/snd/*`",)
UNAVAILABLE = -9985
_ERRORS: Mapping[int, tuple[type[DOMException], str, tuple[str, ...]]] = {  # PaErrorCode of portaudio.h
    UNAVAILABLE: (NotReadableError, "is in use by another program", BUSY),
    -9994: (NotReadableError, "does not have this sample size", ()),
    -9996: (NotFoundError, "is no longer there", ()),
    -9997: (NotReadableError, "does not have this sample rate", ()),
    -9998: (NotReadableError, "does not have this number of channels", ()),
}


def _code(error: Exception) -> int:
    return error.args[1] if len(error.args) > 1 else 0


def _translate(error: Exception, label: str, handle: PortAudioHandle | None) -> DOMException:
    if _code(error) == UNAVAILABLE and handle is not None:
        return busy(label, handle)
    kind, what, hints = _ERRORS.get(_code(error), (NotReadableError, f"cannot be used: {error}", ()))
    return kind(f"“{label}” {what}", hints=hints)


def busy(label: str, handle: PortAudioHandle) -> DOMException:
    """Return the error for a device in use, with its user if the kernel reveals that."""
    known = in_use(label, handle.names[0], handle.direction)
    return known or NotReadableError(f"“{label}” is in use by another program", hints=BUSY)


LIBRARY = Library()

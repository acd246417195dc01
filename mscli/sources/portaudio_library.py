"""PortAudio in this process: loaded at first use, silent, its frozen list of devices renewed, its errors translated.

https://files.portaudio.com/docs/v19-doxydocs/, by way of https://python-sounddevice.readthedocs.io/. All that PortAudio has of
global state (the list of devices, the environment it reads, what C libraries print) is handled here, under one lock.
"""

from __future__ import annotations

import atexit
import ctypes
import errno
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from time import monotonic, sleep
from typing import Any, NamedTuple, TypeVar

from mscli.core.bounded import bounded
from mscli.core.boxes import Scalar
from mscli.core.errors import DOMException, NotFoundError, NotReadableError
from mscli.sources.alsa import in_use

SONAME = "libportaudio.so.2"
STDERR = 2
PATIENCE_S = 5.0  # with a call that opens a device
END_S = 0.25  # at the interpreter's exit, for a call that is under way, and for callbacks
LOOK_S = 0.01  # then, between two looks whether streams have ended
NO_SERVER = {"PULSE_SERVER": "unix:/nonexistent"}  # where no sound server can be

SAMPLE_TYPES = {16: ("int16", "s16"), 32: ("int32", "s32")}  # bits → PortAudio's name, ours
PROCESSING: Mapping[str, Scalar] = {"echoCancellation": False, "autoGainControl": False, "noiseSuppression": False}

T = TypeVar("T")


class Handle(NamedTuple):
    """How PortAudio reaches a device: by its name in the list, or the ALSA name that hardware has there ("hw:0,1").

    Several names: the first that is listed. Where the device is a whole sound server, ``part`` is the source or sink that is
    meant, ``sink`` the sink that it is or whose sound it records.
    """

    names: tuple[str, ...]
    direction: str  # "input" or "output", as PortAudio's words have it
    part: str = ""
    sink: str = ""

    @property
    def variables(self) -> Mapping[str, str]:
        """What the environment has to say while the device is opened, to ALSA's plug-in for PulseAudio or that for PipeWire."""
        if not self.part:
            return {}
        import json

        monitor = {"stream.capture.sink": "true"} if self.sink and self.direction == "input" else {}
        target = json.dumps({"target.object": self.sink or self.part, **monitor})
        return {"PULSE_SOURCE" if self.direction == "input" else "PULSE_SINK": self.part, "PIPEWIRE_ALSA": target}


class Listed(NamedTuple):
    """A device of PortAudio's list."""

    number: int  # PortAudio's
    name: str
    channels: int  # at most
    rate: int  # Hz, by default
    low_latency: float  # seconds
    high_latency: float
    default: bool


class _Silence:
    """Keeps C libraries from printing: PortAudio and ALSA tell their troubles on C's ``stderr``, also from their own threads.

    Only that ``FILE *`` of glibc is redirected, not file descriptor 2: what Python writes to ``sys.stderr`` meanwhile is not
    lost. ``hold`` and ``release`` nest, and may come from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holds = 0
        self._null: int | None = None
        self._printing: int | None = None

    def hold(self) -> None:
        """Silence from here on."""
        with self._lock:
            self._holds += 1
            if self._holds == 1:
                self._printing = self._swap(self._open_null())

    def release(self) -> None:
        """Let them print again, once every hold is released."""
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
        """Whether this is glibc."""
        return os.name == "posix" and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")

    def _open_null(self) -> int | None:
        if self._null is None and self.possible:
            libc = ctypes.CDLL(None)
            libc.fopen.restype = ctypes.c_void_p
            self._null = libc.fopen(os.devnull.encode(), b"w")
        return self._null

    def _swap(self, file: int | None) -> int | None:
        """Make ``file`` (a ``FILE *``) C's stderr and return the one before; with None nothing happens."""
        if file is None:
            return None
        stderr = ctypes.c_void_p.in_dll(ctypes.CDLL(None), "stderr")
        before, stderr.value = stderr.value, file
        return before


silence = _Silence()


@contextmanager
def _starting(served: bool) -> Iterator[None]:
    """Let sounddevice start PortAudio meanwhile, in silence. ``served``: a sound server answers, and may be asked."""
    with silence, _stderr_kept() if silence.possible else nullcontext(), environment({} if served else NO_SERVER):
        yield


@contextmanager
def _stderr_kept() -> Iterator[None]:
    """Keep sounddevice from leading file descriptor 2 to /dev/null, which would lose what other threads print meanwhile.

    It does so whenever it starts PortAudio, unless the descriptor cannot be duplicated: that is what its thread is told here.
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


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for as long as it takes, for C code that reads them. Under the library's lock."""
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
    """PortAudio's list of devices is as old as its start. It can be renewed only while no stream is open."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._module: Any = None
        self._streams: set[Any] = set()  # those that are open
        self._ending = False  # whether the interpreter is
        self._hardware = ""  # the kernel's list when PortAudio's was made

    def require(self) -> None:
        """Raise NotFoundError, with the remedy, where PortAudio is missing. Cheap: it is not started if it is there."""
        try:
            ctypes.CDLL(SONAME)
        except OSError:
            self.load()

    def load(self, served: bool = False) -> Any:
        """The module ``sounddevice``, with PortAudio started. Raises NotFoundError where PortAudio is missing.

        As it starts it asks the sound server, for as long as that takes, and might start one: ``served`` says that one answers.
        """
        with self._alone():
            if self._module is None:
                with _starting(served):
                    self._module = _import_sounddevice()
                atexit.unregister(self._module._exit_handler)  # it waits for ever for what hangs, and crashes a call
                atexit.register(self._end)
            return self._module

    @property
    def frozen(self) -> bool:
        """Whether a stream is open, so that the list cannot be renewed."""
        return bool(self._streams)

    def renew(self, served: bool = False) -> bool:
        """Read the list of devices anew, unless that would end a stream; whether it is new."""
        with self._alone(), self.translated("PortAudio"):
            if self._module is not None and not self._streams:
                self._module._terminate()
                with _starting(served):
                    self._module._initialize()
            return not self._streams

    def follow(self, hardware: str, *, closely: bool) -> None:
        """Renew the list if ``hardware``, which it depends on, is not what it was; empty: that is not known.

        Renewing opens every device for a moment, which takes its time. A mere look does not need it as long as there is some
        hardware before and after: only what stands beside the hardware (ALSA's ``default``) is taken from the list.
        """
        same = hardware == self._hardware if closely else bool(self._hardware)
        if not (hardware and same) and self.renew():
            self._hardware = hardware

    def listed(self, direction: str) -> list[Listed]:
        """What PortAudio lists under the system's main sound interface (ALSA, Core Audio, ...) for that direction."""
        with self._alone(), self.translated("PortAudio"):
            module = self.load()
            api = module.query_hostapis(module.default.hostapi)
            default = api[f"default_{direction}_device"]
            listed = (_listed(module.query_devices(index), direction, index == default) for index in api["devices"])
            return [entry for entry in listed if entry.channels > 0]

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Keep the list, and the numbers in it, as they are meanwhile: someone else may be looking at the devices."""
        with self._alone():
            yield

    def find(self, handle: Handle) -> Listed | None:
        """The device that a handle names; looked for in a new list too. If it is part of a sound server, that one answers."""
        with self._alone():
            self.load(served=bool(handle.part))
            found = self._find(handle)
            if found is None and self.renew(served=bool(handle.part)):
                found = self._find(handle)
            return found

    def accepts(self, handle: Handle, label: str, number: int, **settings: Any) -> bool:
        """Whether the device can be opened like this. Raises NotReadableError when it cannot be told: it is in use."""
        with self._alone(), silence, environment(handle.variables):
            module = self.load()
            try:
                getattr(module, f"check_{handle.direction}_settings")(device=number, **settings)
            except module.PortAudioError as error:
                if _code(error) == UNAVAILABLE:
                    raise busy(label, handle) from error
                return False
            return True

    def open_input(self, handle: Handle, label: str, number: int, callback: Callable[..., object], **settings: Any) -> Any:
        """A ``sounddevice.RawInputStream``, not yet started. Raises NotReadableError, NotFoundError."""

        def call_back(*block: Any) -> None:
            if self._ending:
                raise self._module.CallbackAbort
            callback(*block)

        with self._alone(), silence, environment(handle.variables), self.translated(label, handle):
            stream = self.load().RawInputStream(device=number, callback=call_back, **settings)
            self._streams.add(stream)
            silence.hold()  # until it is closed: PortAudio's thread prints when a device goes away
            return stream

    def close(self, stream: Any) -> None:
        """Stop a stream at once and give its device back. Hangs if the sound server does: see ``bounded``."""
        stream.abort()
        with self._alone():
            stream.close()
            self._streams.discard(stream)
        silence.release()

    @contextmanager
    def translated(self, label: str, handle: Handle | None = None) -> Iterator[None]:
        """Turn PortAudio's errors into ours, about the device ``label``."""
        try:
            yield
        except Exception as error:
            if self._module is not None and isinstance(error, self._module.PortAudioError):
                raise _translate(error, label, handle) from error
            raise

    def bounded(
        self, call: Callable[[], T], timeout_s: float, label: str, release: Callable[[T], object] = lambda _: None
    ) -> T:
        """``call()``, left behind when it hangs: raises NotReadableError then, and ``release`` gets what comes later."""
        try:
            return bounded(call, timeout_s, "mscli-portaudio-call", release)
        except TimeoutError as error:
            message = f"“{label}” does not answer: its driver or the sound server hangs"
            raise NotReadableError(message, hints=RESTART) from error

    def _end(self) -> None:
        """At the interpreter's exit: have no callback come after it, which would crash the process.

        The callbacks themselves end their streams, for a call that does it may hang. PortAudio is ended only while nothing is
        open and no call is under way: it would wait for that, or crash. The system takes back what is left.
        """
        self._ending = True
        alone = self._lock.acquire(timeout=END_S)  # and kept: nothing is opened from here on
        deadline = monotonic() + END_S
        while any(stream.active for stream in tuple(self._streams)) and monotonic() < deadline:
            sleep(LOOK_S)  # who gives nothing for so long gives nothing any more
        if alone and not self._streams:
            self._module._exit_handler()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=PATIENCE_S):
            raise NotReadableError("PortAudio does not answer: a driver or the sound server hangs", hints=RESTART)
        try:
            yield
        finally:
            self._lock.release()

    def _find(self, handle: Handle) -> Listed | None:
        listed = self.listed(handle.direction)
        named = (entry for name in handle.names for entry in listed if entry.name == name or entry.name.endswith(f"({name})"))
        return next(named, None)  # PortAudio's names of hardware end in “(hw:0,1)”


def _import_sounddevice() -> Any:
    try:
        import sounddevice
    except OSError as error:
        raise NotFoundError("PortAudio is missing", hints=[_remedy()]) from error
    except Exception as error:
        raise NotReadableError(f"PortAudio does not start: {error}") from error
    return sounddevice


def _remedy() -> str:
    debian = os.path.exists("/usr/bin/apt-get")
    return "install it with: sudo apt install libportaudio2" if debian else "install your system's package portaudio"


def _listed(info: Mapping[str, Any], direction: str, default: bool) -> Listed:
    low, high = info[f"default_low_{direction}_latency"], info[f"default_high_{direction}_latency"]
    channels, rate = info[f"max_{direction}_channels"], int(info["default_samplerate"])
    return Listed(info["index"], info["name"], channels, rate, low, high, default)


RESTART = ("restart the sound server: systemctl --user restart pipewire pipewire-pulse, or pulseaudio -k",)
BUSY = ("close the program that uses it: `sudo fuser -v /dev/snd/*` names it",)
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


def _translate(error: Exception, label: str, handle: Handle | None) -> DOMException:
    if _code(error) == UNAVAILABLE and handle is not None:
        return busy(label, handle)
    kind, what, hints = _ERRORS.get(_code(error), (NotReadableError, f"cannot be used: {error}", ()))
    return kind(f"“{label}” {what}", hints=hints)


def busy(label: str, handle: Handle) -> DOMException:
    """The error of a device that is in use: by whom, where the kernel tells."""
    told = in_use(label, handle.names[0], handle.direction)
    return told or NotReadableError(f"“{label}” is in use by another program", hints=BUSY)


LIBRARY = Library()

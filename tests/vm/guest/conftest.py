"""In the guest: cameras as the test wants them, and a receiver that keeps what a camera gives."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from mscli.core.boxes import Scalar
from mscli.core.errors import DOMException
from mscli.core.frames import Media, VideoFrame
from mscli.sources.base import SWITCHED_OFF, Abilities, Device, Request, Source
from mscli.sources.v4l2.backend import V4L2Backend
from tests.conftest import Completed, Program
from tests.starts import SERVER, Forked

PATIENCE_SECONDS = 60  # for what comes at once on real hardware
TWO_WEBCAMS = "n_devs=2 node_types=0x1,0x1"  # as the machine has booted
ONE_MONITOR = "n_devs=1 node_types=0x1 num_inputs=1 input_types=3"  # HDMI: one size, 60 frames a second, few modes to look at
DRIVER = Path("/sys/bus/platform/drivers/vivid")


def run(*command: str) -> str:
    """What a command that must succeed prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}"
    return done.stdout


_loaded = TWO_WEBCAMS


def load_vivid(options: str) -> None:
    """Give the driver to new devices, which are as ``options`` has them. No device may be open."""
    global _loaded
    if options == _loaded and DRIVER.exists():  # then they come at once
        assert int(Path("/sys/module/vivid/refcnt").read_text()) == 0, "a camera is still open"
        for action in ("unbind", "bind") if (DRIVER / "vivid.0").exists() else ("bind",):
            (DRIVER / action).write_text("vivid.0")
        return
    run("modprobe", "-r", "vivid")
    run("modprobe", "vivid", *options.split())
    _loaded = options


def control(path: str, **values: int) -> None:
    """Set controls of the driver: the picture that it makes, the faults that it shows."""
    run("v4l2-ctl", "-d", path, "-c", ",".join(f"{name}={value}" for name, value in values.items()))


def wait_until(happened: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.01)


@dataclass
class Receiver:
    """Keeps what a source gives: the last ``keep`` frames, all timestamps and sequence numbers, and what it says."""

    keep: int = 1
    frames: list[VideoFrame] = field(default_factory=list)
    timestamps: list[int] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)
    lost: int = 0
    ended: list[DOMException | None] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    mutes: list[bool] = field(default_factory=list)
    causes: set[str] = field(default_factory=set)
    changes: list[dict[str, Scalar]] = field(default_factory=list)

    def on_frame(self, frame: Media) -> None:
        assert isinstance(frame, VideoFrame)
        self.threads.add(threading.current_thread().name)
        self.timestamps.append(frame.timestamp)
        self.sequences.append(frame.sequence)
        self.frames = [*self.frames, frame][-self.keep :]

    def on_lost(self, count: int) -> None:
        self.lost += count

    def on_retimed(self, count: int, off_us: int) -> None:
        """Take no note of it."""

    def on_warned(self, reason: str) -> None:
        """Take no note of it."""

    def on_muted(self, muted: bool, cause: str = SWITCHED_OFF) -> None:
        self.mutes.append(muted)
        self.causes.add(cause)

    def on_changed(self, settings: Mapping[str, Scalar], abilities: Abilities | None = None) -> None:
        self.changes.append(dict(settings))

    def on_ended(self, error: DOMException | None) -> None:
        self.ended.append(error)

    @property
    def tells_every_loss(self) -> bool:
        """Whether the gaps in the driver's numbers, which may wrap, are the losses that were told."""
        numbers = list(dict.fromkeys(self.sequences))  # under load vivid gives one twice when its numbers wrap
        return (numbers[-1] - numbers[0]) % (1 << 32) + 1 == len(numbers) + self.lost

    def wait(self, frames: int) -> None:
        """Until so many more frames have come."""
        enough = len(self.sequences) + frames
        wait_until(lambda: self.ended or len(self.sequences) >= enough, f"{frames} frames")
        assert not self.ended, self.ended

    def wait_for_end(self) -> DOMException:
        """Until the source has ended by itself; why it did."""
        wait_until(lambda: self.ended, "the end")
        assert self.ended[0] is not None
        return self.ended[0]


class Emulated(Program):
    """The program where everything takes its time."""

    popen: ClassVar[type[subprocess.Popen[bytes]]] = Forked

    def __call__(
        self,
        *arguments: str | Path,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        code: int | None = None,
        seconds: float = 4 * PATIENCE_SECONDS,
    ) -> Completed:
        return super().__call__(*arguments, env=env, stdin=stdin, code=code, seconds=seconds)


class Executed(Emulated):
    """The program, started as users start it."""

    popen: ClassVar[type[subprocess.Popen[bytes]]] = subprocess.Popen
    called: ClassVar[type[subprocess.Popen[bytes]]] = subprocess.Popen


_opened: list[Source] = []


def cameras() -> list[Device]:
    return V4L2Backend().devices()


def open_camera(device: Device, pixel_format: str = "YUYV", width: int = 320, height: int = 180, rate: float = 30) -> Source:
    source = V4L2Backend().open(device, Request({"width": width, "height": height, "frameRate": rate}, pixel_format))
    _opened.append(source)
    return source


@contextmanager
def streaming(source: Source, receiver: Receiver) -> Iterator[Receiver]:
    source.start(receiver)
    try:
        yield receiver
    finally:
        source.stop()


@contextmanager
def used_by_another(path: str) -> Iterator[int]:
    """Another process streams from the camera; its pid."""
    with subprocess.Popen(["v4l2-ctl", "-d", path, "--stream-mmap"], stderr=subprocess.PIPE) as other:
        assert other.stderr is not None
        other.stderr.read(1)  # a mark for its first frame
        yield other.pid
        other.kill()


@pytest.fixture(scope="session", autouse=True)
def server() -> Iterator[None]:
    """Programs start at once."""
    SERVER.start()
    yield
    SERVER.close()


@pytest.fixture
def mscli(tmp_path: Path) -> Program:
    return Emulated(tmp_path)


@pytest.fixture
def executed(tmp_path: Path) -> Program:
    """The real program, which does not start beside the imports of the other one."""
    SERVER.wait()
    return Executed(tmp_path)


@pytest.fixture(autouse=True)
def no_camera_stays_open() -> Iterator[None]:
    """Also after a test that fails, whose traceback pytest keeps, with its frames: the next test loads the driver anew."""
    yield
    while _opened:
        _opened.pop().stop()
    for name in ("last_exc", "last_type", "last_value", "last_traceback"):
        vars(sys).pop(name, None)
    gc.unfreeze()  # what the program froze when it ran in this process may hold frames that nobody took
    gc.collect()


@pytest.fixture
def webcam() -> Device:
    """The first of two new cameras whose picture is colour bars with nothing written into them."""
    load_vivid(TWO_WEBCAMS)
    device = cameras()[0]
    assert device.path
    control(device.path, osd_text_mode=2)
    return device


@pytest.fixture
def monitor() -> Device:
    """A new camera that is opened in no time."""
    load_vivid(ONE_MONITOR)
    return cameras()[0]

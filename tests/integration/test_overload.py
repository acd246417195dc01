"""An encoder that cannot keep up: a real one, asked for more than any machine can do while the camera runs."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread

import pytest

import mscli
from mscli.core.eventloop import EventLoop
from mscli.core.limits import OVERLOAD_SECONDS, VIDEO_QUEUE_SECONDS
from mscli.encode import tuning
from mscli.encode.options import SinkOptions
from mscli.sinks import SINKS
from mscli.sinks.recording.triggered import MOST_FILES
from tests.conftest import Program, require
from tests.idle import idle_until_end
from tests.integration.running import Running, frame_numbers, start
from tests.pattern import pictures, read_code, sound

RATE = 48_000
FRAME_S = 1 / 60
SLOW = {"preset": "veryslow", "x265-params": "log-level=error:pools=1:frame-threads=1:bframes=0:rc-lookahead=2"}
IN_ENCODER = 10  # pictures that it holds at most
WORK_S = 12.0  # of one core
LAST_S = 1.0  # what may be lost of any recording that is killed
TIMEOUT_S = 100.0


@pytest.fixture
def slow_encoder(monkeypatch: pytest.MonkeyPatch) -> SinkOptions:
    """HEVC at nearly its slowest, on one core: some 15 pictures of 640×480 in a second."""
    monkeypatch.setitem(tuning.ENCODERS, "libx265", tuning.ENCODERS["libx265"]._replace(options=SLOW))
    return SinkOptions(video_codec="hevc")


@pytest.fixture
def stream() -> Iterator[mscli.MediaStream]:
    """Fake camera and microphone."""
    with mscli.MediaDevices(backends=[mscli.FakeBackend({})], tasks=EventLoop()) as devices:
        yield devices.get_user_media({"audio": {"sampleRate": RATE}, "video": {"width": 640, "frameRate": {"exact": 60}}})


def resident_mb() -> float:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.timeout(200)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_an_overload_costs_whole_pictures_and_no_sound(
    stream: mscli.MediaStream, slow_encoder: SinkOptions, tmp_path: Path
) -> None:
    require("ffmpeg", "ffprobe")
    path = tmp_path / "a.mkv"
    recorder = mscli.MediaRecorder(stream, file=str(path), row=SINKS["mkv"], sink_options=slow_encoder)
    began = time.process_time()
    recorder.start()
    recording = recorder.recording
    assert recording is not None, "it was started"
    audio, video = (next(i for i, track in enumerate(recording.tracks) if track.kind == kind) for kind in ("audio", "video"))
    memory = []
    for seconds in (4, 4):
        assert not recorder.join(0), "it records"
        time.sleep(seconds)  # a camera's time cannot be hurried here
        while not recording.dropped[video]:  # on a busy machine the queue is full later
            time.sleep(0.05)
        memory.append(resident_mb())
    stopped = time.process_time()  # of this process alone: the machine may be busy with others
    picture_s = (stopped - began) / max(1, recording.counts[video].frames)
    recorder.stop()
    assert recorder.join(TIMEOUT_S)
    assert time.process_time() - stopped < VIDEO_QUEUE_SECONDS + IN_ENCODER * picture_s + 1, "120 pictures waited"
    assert recording.error is None
    assert memory[1] - memory[0] < 20, "150 pictures more, of half a megabyte each, would wait without a bound"

    shown = pictures(path)
    codes = [read_code(picture.luma) for picture in shown]
    numbers = [code.number for code in codes if code]
    assert len(numbers) == len(codes) == recording.counts[video].frames
    missing = sum(later - earlier - 1 for earlier, later in pairwise(numbers))
    assert missing == recording.dropped[video] + recording.tracks[video].lost > 50
    for one, other in zip(shown, numbers, strict=True):
        assert one.time - shown[0].time == pytest.approx((other - numbers[0]) * FRAME_S, abs=0.002)

    assert (recording.dropped[audio], recording.counts[audio].skipped) == (0, 0)
    heard = recording.counts[audio].frames + recording.counts[audio].silence
    assert len(sound(path, RATE)) == pytest.approx(heard, abs=RATE // 20)
    assert recording.counts[audio].silence < RATE // 10
    assert heard / RATE == pytest.approx(8, abs=2)
    assert (numbers[-1] - numbers[0]) * FRAME_S == pytest.approx(heard / RATE, abs=1), "pictures come to the end"


def cpu_s(pid: int) -> float:
    """Return the time that a process has worked, in all its threads."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


class Worked:
    """How much a recording had worked at which age, noted while it runs."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._notes: list[tuple[float, float]] = []  # age, seconds of work

    def wait_for(self, seconds: float) -> None:
        """Let it run until it has worked for so long."""
        while not self._notes or self._notes[-1][1] < seconds:
            self._running.run_for(self._running.age_s + 0.1)
            self._notes.append((self._running.age_s, cpu_s(self._running.process.pid)))

    def age_before(self, seconds: float) -> float:
        """Return the age at which it had this much work less behind it than at the end."""
        worked = self._notes[-1][1]
        return max(age_s for age_s, so_far in [(0.0, 0.0), *self._notes] if so_far <= worked - seconds)


@pytest.mark.timeout(300)
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the time that a process has worked is read from /proc")
def test_a_killed_recording_lacks_little_more_than_what_its_overloaded_encoder_works_at(mscli: Program) -> None:
    require("ffmpeg", "ffprobe", "taskset")
    core = str(min(os.sched_getaffinity(0)))  # with many, it might keep up
    camera = ("--fake-devices", "--size", "640x480", "--frame-rate", "60")
    encoder = ("--video-codec", "hevc", "--preset", "veryslow")
    running = start(mscli, *camera, *encoder, "out.mkv", prefix=("taskset", "--cpu-list", core))
    worked = Worked(running)
    worked.wait_for(WORK_S)
    age_s = running.send(signal.SIGKILL)
    running.process.communicate()
    numbers = frame_numbers(mscli.folder / "out.mkv")
    assert numbers[-1] + 1 - len(numbers) > 50, "it was overloaded"
    taken_s = worked.age_before(IN_ENCODER * WORK_S / len(numbers))  # when the encoder took what it worked at in the end
    assert (numbers[-1] + 1) * FRAME_S > taken_s - OVERLOAD_SECONDS - LAST_S, f"killed at {age_s} s"


class Governor:
    """Lets a process have no more than a ``share`` of a core, which may be changed: it stops it as soon as it has had more."""

    def __init__(self, pid: int) -> None:
        self.share = 1.0
        self._pid = pid

    @property
    def used_s(self) -> float:
        """What the process has used of all cores."""
        return sum(int(path.read_text().split()[0]) for path in self._tasks("schedstat")) / 1e9

    @property
    def threads(self) -> int:
        """How many it has."""
        return len(self._tasks("comm"))

    def _tasks(self, name: str) -> list[Path]:
        return list(Path(f"/proc/{self._pid}/task").glob(f"*/{name}"))

    @contextmanager
    def governs(self) -> Iterator[None]:
        """While it does."""
        over = Event()
        thread = Thread(target=self._govern, args=(over,), name="governor")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGCONT)

    def _govern(self, over: Event) -> None:
        at_s, used_s, credit_s = time.monotonic(), self.used_s, 0.0
        while not over.wait(0.01):
            with suppress(FileNotFoundError, ProcessLookupError):  # a thread of it, or all, has ended
                before_s, used_before_s = at_s, used_s
                at_s, used_s = time.monotonic(), self.used_s
                credit_s = min(credit_s + (at_s - before_s) * self.share - max(0.0, used_s - used_before_s), 0.1)
                os.kill(self._pid, signal.SIGCONT if credit_s > 0 else signal.SIGSTOP)


def is_pending(pid: int, number: signal.Signals) -> bool:
    """Return whether a signal waits for the process."""
    waiting = re.search(r"^ShdPnd:\s*([0-9a-f]+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert waiting is not None, "Linux tells"
    return bool(int(waiting[1], 16) >> (number - 1) & 1)


def trigger_for(seconds: float, running: Running, sent: int) -> int:
    """Trigger once a second; how often in all. The kernel would merge a signal with one that the process has not taken."""
    for _ in range(round(seconds)):
        while is_pending(running.process.pid, signal.SIGUSR1):
            time.sleep(0.01)  # it is stopped
        running.process.send_signal(signal.SIGUSR1)
        time.sleep(1)  # once a second
    return sent + round(seconds)


@pytest.mark.timeout(200)
@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="what a process uses is read from /proc")
def test_a_triggered_recording_leaves_an_overload(mscli: Program) -> None:
    size = ("--fake-devices", "--size", "160x120")
    running = start(mscli, *size, "--trigger", "SIGUSR1", "--pre-roll", "5", "--duration", "1", "--keep", "5", "a-%04d.mkv")
    governor = Governor(running.process.pid)
    sent = trigger_for(7, running, 0)
    before_s = governor.used_s
    sent = trigger_for(5, running, sent)
    needed = (governor.used_s - before_s) / 5  # of a core

    def behind() -> int:
        """Triggers whose file has not begun yet."""
        made = [int(path.stem[2:]) for path in mscli.folder.glob("a-*.mkv")]
        return sent - max(made, default=0)

    with governor.governs():
        governor.share = needed / 4
        sent = trigger_for(32, running, sent)
        assert behind() > 5, "it was overloaded"
        assert governor.threads <= MOST_FILES + 16
        governor.share = needed * 1.8
        deadline = time.monotonic() + 90
        while behind() > 2:
            assert time.monotonic() < deadline, f"{behind()} triggers behind of {sent}"
            sent = trigger_for(1, running, sent)
    running.send(signal.SIGINT)
    assert idle_until_end(running.process) < 6
    code, report, _ = running.end()
    assert (code, len(report["files"])) == (0, 5)
    assert report["triggers"]["counted"] == sent

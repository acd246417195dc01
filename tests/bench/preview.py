"""What previews cost, and how late the frames of a ring and of a page come."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from statistics import median
from threading import Event, Thread

from mscli.core.ring import RING_BYTES
from tests.bench.measure import ENVIRONMENT, MODULE, PYTHON, CannotRun, Row
from tests.screens import screen

SECONDS = 8
RING_FRAMES = 300
FAST = 1 / 120  # seconds between frames of the ring
READER = """
import sys, time
import mscli
late = []
with mscli.open_ring(sys.argv[1]) as ring:
    print("open", flush=True)
    for frame in ring:
        late.append(time.monotonic_ns() / 1000 - frame.media.timestamp)
late.sort()
print(late[len(late) // 2], late[len(late) * 99 // 100])
"""


def ring_latency(width: int, height: int) -> tuple[float, float]:
    """Return how many ms after the beginning of a write frames come in another process: median and 99th percentile."""
    from mscli.core.clock import now_us
    from mscli.encode.options import SinkOptions, TrackFormat
    from mscli.sinks import SINKS, load_sink
    from tests.sinks.synth import picture

    name = f"bench-{os.getpid()}"
    sink = load_sink(SINKS["raw"], f"shm:{name}", SinkOptions())
    sink.open([TrackFormat("video", {"width": width, "height": height, "frameRate": 30})])
    frame = picture("I420", width, height)
    with subprocess.Popen([*PYTHON, "-c", READER, name], stdout=subprocess.PIPE, env=ENVIRONMENT) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        for number in range(RING_FRAMES):
            time.sleep(FAST)
            sink.write(0, replace(frame, timestamp=now_us(), sequence=number))
        sink.close()
        p50, p99 = reader.stdout.read().split()
    return float(p50) / 1000, float(p99) / 1000


def copy_ms(width: int, height: int) -> float:
    """Return what copying such a frame into the next place of memory as large as a ring takes, at the same pace."""
    size = width * height * 3 // 2
    source, target = bytes(size), memoryview(bytearray(RING_BYTES))
    taken = []
    for number in range(RING_FRAMES):
        time.sleep(FAST)
        at = number % (RING_BYTES // size) * size
        begun = time.perf_counter()
        target[at : at + size] = source
        taken.append(time.perf_counter() - begun)
    return 1000 * median(taken)


def on_terminal(*flags: str) -> float:
    """Return the share of a core that a capture takes on a terminal of 80 × 24, whose output is thrown away."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    over = Event()

    def drain() -> None:
        while not over.is_set():
            try:
                os.read(master, 1 << 16)
            except OSError:
                return

    thread = Thread(target=drain, daemon=True)
    thread.start()
    command = [*MODULE, "capture", "--fake-devices", "-t", str(SECONDS), "-o", "/dev/null", *flags]
    environment = ENVIRONMENT | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    process = subprocess.Popen(
        command, stdin=slave, stdout=subprocess.DEVNULL, stderr=slave, env=environment, start_new_session=True
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = status
    over.set()
    os.close(slave)
    os.close(master)
    if status:
        raise CannotRun(f"{' '.join(command)}: exit code {os.waitstatus_to_exitcode(status)}")
    return (used.ru_utime + used.ru_stime) / SECONDS


def main_thread_s(*flags: str, **environment: str) -> float:
    """Return the processor time of the main thread of a recording, which writes its output, in seconds."""
    command = [*MODULE, "capture", "--fake-devices", "--size", "1280x720", "-t", str(SECONDS), "-o", "/dev/null", *flags]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=ENVIRONMENT | environment) as process:
        used = 0.0
        ticks = os.sysconf("SC_CLK_TCK")
        while process.poll() is None:
            try:
                with open(f"/proc/{process.pid}/task/{process.pid}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                break
            used = (int(fields[11]) + int(fields[12])) / ticks
            time.sleep(0.05)
    return used


def page_frames() -> float:
    """Return how many pictures a second a viewer gets of a camera of 30 a second."""
    command = [
        *MODULE,
        "capture",
        "--fake-devices",
        "--size",
        "1280x720",
        "--preview",
        "web",
        "-t",
        str(SECONDS),
        "-o",
        "/dev/null",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stderr is not None
        found = re.search(rb"http://\S+", process.stderr.readline())
        if found is None:
            raise CannotRun("the address of the page is not printed")
        with urllib.request.urlopen(found[0].decode() + "stream.mjpg") as stream:
            count, begun = 0, time.monotonic()
            while time.monotonic() < begun + SECONDS / 2:
                count += stream.read1(1 << 20).count(b"Content-Type: image/jpeg")
        process.terminate()
    return count / (SECONDS / 2)


def rows(runs: int) -> Iterator[Row]:
    for size in ((640, 480), (1920, 1080)):
        latencies = [ring_latency(*size) for _ in range(min(runs, 3))]
        p50, p99 = (median(column) for column in zip(*latencies, strict=True))
        copied = copy_ms(*size)
        what = f"a frame of {size[0]}×{size[1]} in a ring"
        yield Row(f"{what}, p50", p50, "0.2 ms and its copy", 0.2 + copied, 1.0)
        yield Row(f"{what}, p99", p99, "0.2 ms and its copy", 0.2 + copied)
    shares = [(on_terminal("--preview", "terminal"), on_terminal("--quiet")) for _ in range(min(runs, 3))]
    with_it, without = (median(column) for column in zip(*shares, strict=True))
    yield Row("a preview of 80 × 24 in the terminal", 100 * (with_it - without), "a tenth of a core", 10, 1.0, "%")
    yield Row("pictures of a page, 720p30", page_frames(), "30 a second", 30, unit="fps")
    with screen((1280, 800)) as shown:
        pairs = [(main_thread_s("--preview", "window", DISPLAY=shown.name), main_thread_s()) for _ in range(min(runs, 3))]
    with_it, without = (median(column) for column in zip(*pairs, strict=True))
    yield Row("main thread beside a window, 720p30", 1000 * with_it, "without a preview", 1000 * without, 1.02)


if __name__ == "__main__":
    for row in rows(int(sys.argv[1]) if len(sys.argv) > 1 else 1):
        print(row)

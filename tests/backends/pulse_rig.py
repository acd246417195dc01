"""A private PulseAudio for tests: no hardware, null sinks with monitors as microphones, everything in one folder."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import time
import wave
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import require

RATE = 48000  # Hz
TIMEOUT_S = 30.0
NEEDS = ("pulseaudio", "pactl", "libasound_module_pcm_pulse.so", "libportaudio.so.2")


class PrivatePulse:
    """A running server. ``environment`` directs a process, or this one, to it. ``sinks``: names and descriptions."""

    def __init__(self, folder: Path, sinks: Mapping[str, str]) -> None:
        self.folder = folder
        self.sinks = sinks
        self.socket = folder / "native"
        config = folder / "client.conf"
        config.write_text("autospawn = no\nenable-shm = no\n")
        self.environment = {"PULSE_SERVER": f"unix:{self.socket}", "PULSE_CLIENTCONFIG": str(config)}
        self._process = subprocess.Popen(self._command(), env=self._server_environment(), stderr=subprocess.DEVNULL)
        self._wait_for_socket()

    def _command(self) -> list[str]:
        options = ["-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--realtime=no", "--high-priority=no"]
        modules = [f"module-native-protocol-unix socket={self.socket} auth-anonymous=1"]
        for name, description in self.sinks.items():  # without norewinds, the first data comes up to 2 s late
            label = f"sink_properties=\"device.description='{description}'\""
            modules.append(f"module-null-sink sink_name={name} rate={RATE} channels=2 norewinds=1 {label}")
        return ["pulseaudio", *options, "--disable-shm=1", *(part for module in modules for part in ("-L", module))]

    def _server_environment(self) -> dict[str, str]:
        here = str(self.folder)
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("PULSE_", "DBUS_", "DISPLAY"))}
        return keep | {"HOME": here, "XDG_RUNTIME_DIR": here, "PULSE_RUNTIME_PATH": here, "PULSE_STATE_PATH": here}

    def _wait_for_socket(self) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not self._listens():
            assert self._process.poll() is None, "pulseaudio ended at once"
            assert time.monotonic() < deadline, "pulseaudio does not start"
            time.sleep(0.02)

    def _listens(self) -> bool:
        """Return whether it accepts connections. A killed server leaves its socket behind."""
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.socket)) == 0

    @property
    def pid(self) -> int:
        """Return the process id of the server."""
        return self._process.pid

    def control(self, *arguments: str) -> str:
        """Return the output of ``pactl``."""
        environment = os.environ | self.environment
        done = subprocess.run(["pactl", *arguments], env=environment, capture_output=True, check=True, timeout=TIMEOUT_S)
        return done.stdout.decode()

    def remove(self, sink: str) -> None:
        """Remove a sink and its monitor."""
        modules = self.control("list", "short", "modules").splitlines()
        number = next(line.split()[0] for line in modules if f"sink_name={sink} " in line)
        self.control("unload-module", number)

    @contextmanager
    def tone(self, sink: str, frequency: float) -> Iterator[None]:
        """Play a sine at half of full scale into a sink while the context lasts (at most 20 s)."""
        file = self.folder / f"{frequency}.wav"
        _write_sine(file, frequency, seconds=20)
        player = subprocess.Popen(["paplay", f"--device={sink}", str(file)], env=os.environ | self.environment)
        try:
            yield
        finally:
            player.terminate()
            player.wait()

    def send(self, number: signal.Signals) -> None:
        """Send the server a signal: SIGSTOP freezes it, SIGCONT continues it, SIGKILL ends it."""
        self._process.send_signal(number)

    def close(self) -> None:
        """End the server, frozen or not."""
        self._process.kill()
        self._process.wait()


@contextmanager
def private_pulse(folder: Path, sinks: Mapping[str, str]) -> Iterator[PrivatePulse]:
    """Start a server with these null sinks.

    Without PulseAudio or PortAudio, skip the test, or fail it under CI.
    """
    require(*NEEDS)
    server = PrivatePulse(folder, sinks)
    try:
        yield server
    finally:
        server.close()


def _write_sine(file: Path, frequency: float, seconds: int) -> None:
    second = (int(16384 * math.sin(2 * math.pi * frequency * i / RATE)) for i in range(RATE))
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(array("h", second).tobytes() * seconds)


def amplitude(samples: array[int], frequency: float) -> float:
    """Return the amplitude of a sine in 16-bit samples at RATE, by Goertzel's algorithm: https://doi.org/10.2307/2310304."""
    factor = 2 * math.cos(2 * math.pi * frequency / RATE)
    last = before = 0.0
    for sample in samples:
        last, before = sample + factor * last - before, last
    return math.sqrt(max(0.0, last**2 + before**2 - factor * last * before)) * 2 / len(samples)

"""Streams of the network, in place of devices, on the command line: to a file, lost and found again, left, and failing."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest

from tests.backends.servers import LOGIN, MIXED, PASSWORD, USER, Web, guarded, jpegs, live, paced, parts, silence, status
from tests.cli.program import FakeMachine, error_line, eventually, handles_signals, packets
from tests.conftest import Program


@pytest.fixture(scope="module")
def images() -> list[bytes]:
    """Return the parts of a stream of MJPEG."""
    return parts(jpegs(25))


@pytest.fixture
def web() -> Iterator[Web]:
    """Return a web server."""
    with Web() as server:
        yield server


def test_a_camera_of_the_network_is_recorded_beside_a_microphone(fake: FakeMachine, web: Web, images: list[bytes]) -> None:
    address = web.page("/video", paced(images, MIXED))
    report = fake.json("record", "--camera", address, "--microphone", "fake", "--duration", "1", "--json", "x.mkv")
    assert [one["kind"] for one in report["tracks"]] == ["audio", "video"]
    assert report["tracks"][1]["label"] == address
    assert packets(fake.folder / "x.mkv", "video") > 0


def test_a_server_that_hangs_is_one_line_with_a_remedy(mscli: Program, web: Web) -> None:
    done = mscli("snapshot", "--camera", web.page("/video", silence), "--timeout", "0.5", "x.png")
    assert done.returncode == 5
    assert error_line(done).endswith("does not answer within 0.5 s (NotReadableError)")


def test_a_stream_that_has_no_sound_has_none(mscli: Program, web: Web, images: list[bytes]) -> None:
    address = web.page("/video", paced(images, MIXED))
    done = mscli("record", "--microphone", address, "x.mkv")
    assert done.returncode == 3
    assert error_line(done) == f"mscli: error: no microphone at {address} (NotFoundError)"


def test_a_stream_that_the_server_ends_is_a_device_that_is_gone(mscli: Program, web: Web, images: list[bytes]) -> None:
    done = mscli("record", "-i", web.page("/video", live(images, MIXED, over=True)), "x.mkv")
    assert done.returncode == 8
    assert packets(mscli.folder / "x.mkv", "video") > 0


def test_a_lost_stream_is_black_until_the_server_is_back(fake: FakeMachine, web: Web, images: list[bytes]) -> None:
    lost = Event()

    def answer(request: Any) -> None:
        if lost.is_set():
            request.send_error(503)
            return
        request.begin(MIXED)
        while not lost.wait(0.04) and not web.released.is_set():
            request.wfile.write(images[0])

    address = web.page("/video", answer)
    with fake.running("record", "--camera", address, "--microphone", "none", "--reconnect", "1h", "--json", "x.mkv") as running:
        running.wait_for("start")
        lost.set()
        assert address in running.wait_for("mute")["reason"]
        assert eventually(lambda: len(web.asked) >= 3)  # it has tried again
        lost.clear()
        running.wait_for("unmute")
        running.send(signal.SIGINT)
        done = running.end()
    assert done.returncode == 0, done.stderr
    (track,) = json.loads(done.stdout)["tracks"]
    assert track["blank"] > 0
    assert packets(fake.folder / "x.mkv", "video") == track["frames"]


def test_a_signal_ends_the_wait_for_a_server_that_hangs(fake: FakeMachine, web: Web) -> None:
    address = web.page("/video", silence)
    with fake.running("record", "--camera", address, "--timeout", "1h", "x.mkv", events=False) as running:
        assert eventually(lambda: web.asked and handles_signals(running.process.pid))
        running.send(signal.SIGINT)
        done = running.end()
    assert done.returncode == 130


def test_a_signal_ends_a_recording_whose_server_is_silent(fake: FakeMachine, web: Web, images: list[bytes]) -> None:
    address = web.page("/video", live(images[:9], MIXED))
    with fake.running("record", "--camera", address, "--timeout", "5s,1h", "x.mkv") as running:
        running.wait_for("mute")
        running.send(signal.SIGINT)
        done = running.end()
    assert done.returncode == 0, done.stderr
    assert packets(fake.folder / "x.mkv", "video") > 0


SURFACES = [  # a command, and the status that the server answers with if it fails
    (("capabilities", "{}", "--json"), None),
    (("record", "--camera", "{}", "--microphone", "none", "-t", "0.5", "--events", "events", "--json", "-v", "x.mkv"), None),
    (("capture", "--camera", "{}", "--frames", "2", "--explain", "-o", "x.yuv"), 500),
]


@pytest.mark.parametrize(("arguments", "fails"), SURFACES, ids=lambda given: given[0] if isinstance(given, tuple) else "")
def test_no_secret_is_written_anywhere(
    arguments: tuple[str, ...], fails: int | None, mscli: Program, web: Web, images: list[bytes]
) -> None:
    web.page("/video", guarded(status(fails) if fails else paced(images, MIXED)))
    address = web.url("/video?token=hidden", LOGIN)
    done = mscli(*(address if one == "{}" else one for one in arguments), env={"MSCLI_LOG": "debug"})
    assert (done.returncode != 0) == bool(fails), done.stderr
    written = [done.stdout, done.stderr, *(path.read_bytes() for path in mscli.folder.iterdir() if path.is_file())]
    assert b"***" in b"".join(written)
    for secret in (f"{USER}:", PASSWORD, LOGIN, "hidden"):
        assert all(secret.encode() not in one for one in written)

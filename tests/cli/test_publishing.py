"""Recordings that go to servers, on the command line: beside a file, through a break, and what is said of them."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.servers import Tcp, free_port, nginx
from tests.cli.program import FakeMachine, error_line, eventually, packets
from tests.cli.test_control import controlled
from tests.conftest import Program
from tests.sinks.receivers import Taker

SECRET = "Zq9xSecret"
LIMIT_S = 2.0  # from a signal to the end


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int, int]]:
    """Return the folder and the ports of a server of RTMP and HTTP."""
    folder = tmp_path_factory.mktemp("nginx")
    with nginx(folder) as ports:
        assert eventually(lambda: (folder / "pid").exists())
        yield folder, *ports


def surfaces(*texts: bytes | str) -> str:
    return "\n".join(text.decode() if isinstance(text, bytes) else text for text in texts)


def test_a_server_that_comes_back_never_disturbs_the_file(fake: FakeMachine, tmp_path: Path) -> None:
    (folder := tmp_path / "nginx").mkdir()
    with nginx(folder) as ports:
        assert eventually(lambda: (folder / "pid").exists())
        address = f"rtmp://127.0.0.1:{ports[0]}/kept/{SECRET}"
        with fake.running("record", "--json", "--debug", "x.mp4", address) as run:
            events = [run.wait_for("publishing")]
            seen = arguments_of_children(run.process.pid)
            assert eventually(lambda: (folder / f"kept/{SECRET}.flv").exists())
            broken = end_of(folder)
            assert broken
            events.append(run.wait_for("interrupted"))
            (folder / "pid").unlink(missing_ok=True)
            with nginx(folder, ports):
                events.append(run.wait_for("resumed"))
                assert eventually(lambda: (folder / f"kept/{SECRET}.flv").stat().st_size > 10_000)
                run.send(signal.SIGINT)
                done = run.end()
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert packets(fake.folder / "x.mp4", "video") == report["outputs"][0]["tracks"][1]["frames"]
    assert [track["dropped"] for track in report["outputs"][0]["tracks"]] == [0, 0]
    published = report["outputs"][1]["publishing"]
    assert published["reconnects"] == 1
    assert published["sent"] > 0
    assert published["dropped"] > 0
    assert report["outputs"][1]["tracks"][1]["dropped"] == published["dropped"]
    assert events[1]["reason"]
    assert packets(folder / f"kept/{SECRET}.flv", "video") > 0
    assert SECRET not in surfaces(done.stdout, done.stderr, json.dumps(events), *seen)


def end_of(folder: Path) -> bool:
    """Kill the server whose files are in the folder, and wait until it is gone."""
    pid = int((folder / "pid").read_text())
    os.kill(pid, signal.SIGTERM)
    return eventually(lambda: not Path(f"/proc/{pid}/fd").exists() or not list(Path(f"/proc/{pid}/fd").iterdir()))


def arguments_of_children(pid: int) -> list[str]:
    """Return the arguments of the processes that a process has started. There is at least one."""
    numbers = Path(f"/proc/{pid}/task").glob("*/children")
    found = [Path(f"/proc/{one}/cmdline").read_text() for path in numbers for one in path.read_text().split()]
    assert found
    return found


def test_a_stream_alone_has_a_report_and_a_status(fake: FakeMachine, server: tuple[Path, int, int]) -> None:
    report = fake.json("record", "--duration", "1", "--json", f"rtmp://127.0.0.1:{server[1]}/kept/alone")
    assert report["files"] == []
    assert report["publishing"]["sent"] == report["tracks"][1]["frames"] == 30
    assert (report["publishing"]["dropped"], report["publishing"]["reconnects"]) == (0, 0)
    assert report["publishing"]["bitRate"] > 0


def test_people_are_told_of_what_was_published(fake: FakeMachine, server: tuple[Path, int, int]) -> None:
    done = fake("record", "--duration", "1", f"rtmp://127.0.0.1:{server[1]}/kept/{SECRET}", code=0)
    text = done.stderr.decode()
    name = f"rtmp://127.0.0.1:{server[1]}/kept/***"
    assert f"Publishing: {name}" in text
    late = r"(?:[\d.]+ s of sound and [\d.]+ s of silence, )?"  # on a busy machine, the microphone may start late
    assert re.search(rf"Published to {re.escape(name)}: 1\.0 s, {late}30 frames at 30 fps", text)
    assert SECRET not in text


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("rtmp://127.0.0.1:{port}/live/" + SECRET, 9),
        ("rtmp://none.invalid/live/" + SECRET, 9),
        ("icecast://source:" + SECRET + "@127.0.0.1:{taker}/x.ogg", 4),
        ("gopher://host/" + "x", 7),
        ("https://host/x.mkv", 7),
        ("rtmp://host/live/x#bitrates=1M", 2),
        ("rtmp://host/live/x#video=vp9", 7),
        ("udp://127.0.0.1", 2),
        ("rtmp://[x/" + SECRET, 2),
        ("http://[::1/x.m3u8", 2),
        ("rtsp://user:pa[" + SECRET + "@h/x", 2),
        ("rtmp://host:99999/live/" + SECRET, 2),
        ("rtmp://127.0.0.1:{port}/live/" + SECRET + " rtmp://127.0.0.1:{port}/live/" + SECRET, 2),
    ],
)
def test_the_exit_code_of_a_server_that_does_not_take_it(address: str, code: int, fake: FakeMachine) -> None:
    with Taker(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n") as taker:
        done = fake("record", "--debug", "--no-video" if "icecast" in address else "--video", "-v",
                    *address.format(port=free_port(), taker=taker.port).split())  # fmt: skip
    assert done.returncode == code, done.stderr.decode()
    assert SECRET not in surfaces(done.stdout, done.stderr)


def test_a_server_that_fails_leaves_the_file(fake: FakeMachine) -> None:
    done = fake("record", "--duration", "2", "--json", "x.mkv", f"rtmp://127.0.0.1:{free_port()}/live/{SECRET}")
    report = json.loads(done.stdout)
    assert done.returncode == 9
    assert [one["exitCode"] for one in report["outputs"]] == [0, 9]
    assert packets(fake.folder / "x.mkv", "video") == report["outputs"][0]["tracks"][1]["frames"] == 60
    assert SECRET not in surfaces(done.stdout, done.stderr)


@pytest.mark.parametrize("files", [[], ["x.mkv"]], ids=["alone", "beside"])
def test_a_signal_ends_it_while_a_server_is_silent(files: list[str], fake: FakeMachine) -> None:
    with Tcp() as silent, fake.running("record", *files, f"rtmp://127.0.0.1:{silent.port}/live/{SECRET}") as run:
        run.wait_for("start")
        assert eventually(lambda: silent.connections)
        run.send(signal.SIGINT)
        done = run.process.wait(30)
    assert done == (0 if files else 130)


def test_a_series_of_files_is_beside_one_stream(fake: FakeMachine, server: tuple[Path, int, int]) -> None:
    fake(
        "record",
        "--duration",
        "2",
        "--segment-duration",
        "1",
        "x-%02d.mkv",
        f"rtmp://127.0.0.1:{server[1]}/kept/series",
        code=0,
    )
    assert fake.files == ["x-01.mkv", "x-02.mkv"]
    assert eventually(lambda: packets(server[0] / "kept/series.flv", "video") == 60)
    done = fake("record", "--segment-duration", "1", f"rtmp://127.0.0.1:{server[1]}/kept/x")
    assert done.returncode == 7


@pytest.mark.parametrize("option", ["--give-up=1", "--ca-file=/dev/null", "--insecure"])
def test_an_option_for_servers_needs_one(option: str, mscli: Program) -> None:
    done = mscli("record", "--fake-devices", option, "x.mkv")
    assert done.returncode == 2
    assert "has no effect" in error_line(done) or "is not a file" in error_line(done)


def test_a_key_may_come_from_the_environment(fake: FakeMachine, server: tuple[Path, int, int]) -> None:
    fake("record", "--duration", "1", f"rtmp://127.0.0.1:{server[1]}/kept/", env={"MSCLI_TOKEN": "token"}, code=0)
    assert eventually(lambda: (server[0] / "kept/token.flv").exists())


def test_a_server_can_be_added_and_removed_while_it_runs(fake: FakeMachine, server: tuple[Path, int, int]) -> None:
    address = f"rtmp://127.0.0.1:{server[1]}/kept/{SECRET}added"
    with controlled(fake, "record", "x.mkv") as running:
        assert running.send({"addOutput": address})["ok"]
        assert eventually(lambda: running.events("publishing"))
        assert running.send({"removeOutput": address})["ok"]
        assert running.send({"stop": True})["ok"]
        report = running.end()
    assert report["outputs"][1]["publishing"]["sent"] > 0
    assert packets(server[0] / f"kept/{SECRET}added.flv", "video") > 0
    assert SECRET not in (fake.folder / "events.jsonl").read_text()

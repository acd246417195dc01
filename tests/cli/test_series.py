"""``mscli record`` into several files, as a process: its names, events, report, triggers and limits."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mscli.cli.paramtypes import ByteCountType, ClockIntervalType, DurationType
from mscli.cli.series import RetentionType
from mscli.sinks.recording.triggered import MOST_FILES
from tests.cli.program import FakeMachine, camera, eventually, microphone
from tests.conftest import ROOT, Program, clean_environment
from tests.idle import idle_until_end
from tests.pattern import pictures, read_code
from tests.sinks.serial import RATE, samples
from tests.sinks.synth import frame_times, probe

TIMEOUT_S = 30
ENDS_WITHIN_S = 4.0  # twice what is promised, without what the processor has to do
FLOOD = 100_000
OTHER_THREADS = 16  # of a recording, beside those that sync its open files
FAKE = ("--fake-devices", "--size", "exact:320x240")


def numbers(path: Path) -> list[int]:
    """The frame numbers that a file's pictures carry."""
    codes = [read_code(picture.luma, (640, 480)) or read_code(picture.luma) for picture in pictures(path)]
    return [code.number for code in codes if code is not None]


def events(path: Path, *types: str) -> list[dict[str, Any]]:
    """The events of these types that were written by now."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [event for event in map(json.loads, lines) if event["type"] in types]


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


@contextmanager
def recording(mscli: Program, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that records with fake devices, and has begun to."""
    log = mscli.folder / "events.jsonl"
    command = [*mscli.argv, "record", *FAKE, "--json", "--events", str(log), *arguments]
    env = clean_environment() | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=mscli.folder, env=env
    ) as process:
        try:
            until(lambda: events(log, "start") or process.poll() is not None)
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[bytes]) -> Any:
    """End a recording by a signal; its report."""
    process.send_signal(signal.SIGTERM)
    process.wait(TIMEOUT_S)  # before its stdin is closed, which may be a reason of its own
    out, err = process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out)


def test_segments_hold_every_frame_once_and_are_told(mscli: Program) -> None:
    log = mscli.folder / "events.jsonl"
    report = mscli.json("record", *FAKE, "--json", "--duration", "3", "--segment-duration", "1", "--events", log, "a.mp4")
    assert report["files"] == ["a-001.mp4", "a-002.mp4", "a-003.mp4"]
    assert [event["file"] for event in events(log, "segment")] == report["files"]
    assert events(log, "segment", "stop")[-1]["type"] == "stop"
    (video,) = (track for track in report["tracks"] if track["kind"] == "video")
    found = [n for name in report["files"] for n in numbers(mscli.folder / name)]
    each = sorted(set(found))
    assert found == sorted(found)
    assert len(found) - len(each) == video["duplicated"]  # a camera whose thread is a second late is shown once more
    assert each[0] >= 0
    assert each[-1] < 90
    assert len(each) >= 90 - video["lost"] - video["dropped"] - video["blank"]


def test_the_oldest_segments_go_and_the_report_lists_those_that_are_there(mscli: Program) -> None:
    report = mscli.json("record", *FAKE, "--json", "--duration", "3", "--segment-duration", "1", "--keep", "1", "a-%02d.mkv")
    assert report["files"] == ["a-03.mkv"] == [path.name for path in mscli.folder.iterdir()]


def test_a_recording_ends_with_the_reason_size(mscli: Program) -> None:
    report = mscli.json("record", *FAKE, "--json", "--duration", "60", "--max-size", "60k", "a.mkv")
    assert report["reason"] == "size"
    assert (mscli.folder / "a.mkv").stat().st_size <= 60_000
    video = next(track for track in report["tracks"] if track["kind"] == "video")
    assert numbers(mscli.folder / "a.mkv") == list(range(video["frames"]))


def test_names_tell_time_and_number(mscli: Program) -> None:
    (mscli.folder / "n-01.wav").touch()
    mscli("record", "--fake-devices", "--no-video", "--duration", "0.5", "n-%02d.wav", code=0)
    mscli("record", "--fake-devices", "--no-video", "--duration", "0.5", "%Y.wav", code=0)
    names = sorted(path.name for path in mscli.folder.iterdir())
    assert names[1:] == ["n-01.wav", "n-02.wav"]
    assert names[0].removesuffix(".wav").isdecimal()
    again = mscli("record", "--fake-devices", "--no-video", "--duration", "0.5", "%Y.wav", code=9)
    assert b" already exists; use --force" in again.stderr


@pytest.mark.parametrize("how", ["SIGUSR1", "stdin"])
def test_a_trigger_records_what_was_before_it_as_often_as_it_comes(how: str, mscli: Program) -> None:
    log = mscli.folder / "events.jsonl"
    with recording(mscli, "--trigger", how, "--pre-roll", "1", "--duration", "0.5", "a-%02d.mkv") as process:
        time.sleep(2.5)  # of this the first file holds the last second or two
        for count in (1, 2):
            if how == "stdin":
                assert process.stdin is not None
                process.stdin.write(b"now\n")
                process.stdin.flush()
            else:
                process.send_signal(signal.SIGUSR1)
            until(lambda: len(events(log, "segment")) == count)  # noqa: B023 (it is called in its own turn)
        report = ended(process)
    assert report["files"] == ["a-01.mkv", "a-02.mkv"]
    assert report["reason"] == "signal"
    first, second = (numbers(mscli.folder / name) for name in report["files"])
    assert first[0] > 0
    assert first == list(range(first[0], first[0] + len(first)))
    assert 45 <= len(first) <= 45 + 30 + 15  # a second before, half after, up to a second to a key frame, and the wait for it
    assert second[0] > first[0]
    video = next(track for track in report["tracks"] if track["kind"] == "video")
    assert video["frames"] == len({*first, *second})
    assert video["frameRate"] == pytest.approx(30, abs=1)
    assert report["duration"] == pytest.approx(video["frames"] / 30, abs=0.2)


@pytest.mark.parametrize("lines", [b"", b"now\n"])
def test_at_the_end_of_stdin_the_recording_ends_with_its_last_file(lines: bytes, mscli: Program) -> None:
    with recording(mscli, "--trigger", "stdin", "--pre-roll", "1", "--duration", "1", "a-%02d.mkv") as process:
        time.sleep(0.5)  # of this a file that is triggered holds something
        out, err = process.communicate(lines, timeout=TIMEOUT_S)
    assert process.returncode == 0, err.decode()
    report = json.loads(out)
    assert report["reason"] == "pipe"
    assert report["files"] == ["a-01.mkv"] * len(lines.splitlines())
    for name in report["files"]:
        assert len(numbers(mscli.folder / name)) > 30  # before the trigger and, in full, after it


@pytest.mark.parametrize("how", ["SIGUSR1", "stdin"])
def test_a_trigger_while_the_program_starts_gets_its_file_as_soon_as_there_is_something(how: str, fake: FakeMachine) -> None:
    os.mkfifo(fake.folder / "constraints")  # nobody writes: it waits before any command listens
    command = [
        *fake.argv,
        "record",
        "--json",
        "--constraints",
        "constraints",
        "--trigger",
        how,
        "--duration",
        "1",
        "a-%02d.mkv",
    ]
    with subprocess.Popen(
        command, cwd=fake.folder, env=fake.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert eventually(lambda: "wait_for_partner" in Path(f"/proc/{process.pid}/wchan").read_text())
            if how == "stdin":
                assert process.stdin
                process.stdin.write(b"now\n")
                process.stdin.flush()
            else:
                process.send_signal(signal.SIGUSR1)
            time.sleep(1.5)  # longer than a file lasts: it lasts from the first frame on, not from the trigger
            assert process.poll() is None
            (fake.folder / "constraints").write_text('{"video": true}')
            assert eventually((fake.folder / "a-01.mkv").exists)
            time.sleep(1.5)  # longer than a file lasts
            report = ended(process)
        finally:
            process.kill()
    assert (report["files"], report["triggers"]) == (["a-01.mkv"], {"counted": 1, "missed": 0})
    shown = numbers(fake.folder / "a-01.mkv")
    assert shown == list(range(len(shown)))
    assert len(shown) >= 30


def test_a_trigger_after_the_end_has_begun_does_not_kill(fake: FakeMachine) -> None:
    with fake.running("record", "--json", "--trigger", "SIGUSR1", "a-%02d.mkv") as recording:
        recording.wait_for("start")
        recording.send(signal.SIGTERM)
        while recording.process.poll() is None:
            recording.send(signal.SIGUSR1)
            time.sleep(0.002)
        assert recording.end().returncode == 0


def test_a_flood_of_triggers_is_bounded_and_counted_and_holds_up_no_end(mscli: Program) -> None:
    log = mscli.folder / "events.jsonl"
    flags = ("--trigger", "stdin", "--pre-roll", "5", "--duration", "1", "--keep", "5", "a-%04d.mkv")
    with recording(mscli, *flags) as process:
        assert process.stdin
        time.sleep(1)  # of this the files hold something before the trigger
        process.stdin.write(b"now\n" * FLOOD)
        process.stdin.flush()
        threads = len(os.listdir(f"/proc/{process.pid}/task"))
        process.send_signal(signal.SIGINT)
        assert idle_until_end(process) < ENDS_WITHIN_S
        out, err = process.communicate()
    report = json.loads(out)
    counted, missed = report["triggers"].values()
    made = len(events(log, "segment"))
    assert counted > FLOOD * 0.9  # what lies in the pipe at the end, 64 KiB, is not read
    assert counted - missed == made
    assert made >= 1
    assert threads <= MOST_FILES + OTHER_THREADS
    assert len(report["files"]) == min(made, 5)
    assert json.loads(err.splitlines()[0]) if err.startswith(b"{") else b"triggers are missed" in err


def test_missed_triggers_are_told_in_words_and_fail_a_strict_run(mscli: Program) -> None:
    command = shlex.join([*mscli.argv, "record", *FAKE, "--strict", "--trigger", "stdin", "--duration", "0.2", "a-%03d.mkv"])
    env = clean_environment() | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-c", f"(sleep 2; yes now | head -n {FLOOD}) | {command}"],
        cwd=mscli.folder, env=env, capture_output=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    found = re.search(rf"(\d+) of {FLOOD} triggers missed; stopped at the end of stdin$", done.stderr.decode())
    assert found, done.stderr.decode()
    assert done.returncode == 10
    assert FLOOD - int(found[1]) == len([path for path in mscli.folder.iterdir() if path.suffix == ".mkv"])


@pytest.mark.parametrize("faults", [{}, {"stallAfterFrames": 0}], ids=["sound", "no sound yet"])
def test_a_stdin_that_cannot_be_read_triggers_nothing(faults: dict[str, int], fake: FakeMachine) -> None:
    fake.plug(camera(), microphone(faults=faults))
    done = fake.shell("mscli record --json --timeout 60 --trigger stdin a.mkv <&-")
    assert done.returncode == 0, done.stderr.decode()
    assert (json.loads(done.stdout)["reason"], fake.files) == ("pipe", [])


def test_a_recording_that_no_trigger_came_for_leaves_no_file(mscli: Program) -> None:
    with recording(mscli, "--trigger", "SIGUSR1", "a.mkv") as process:
        report = ended(process)
    assert report["files"] == []
    assert sorted(path.name for path in mscli.folder.iterdir()) == ["events.jsonl"]


@pytest.mark.parametrize(
    "faults", [{"stallAfterFrames": 15, "stallSeconds": 2}, {"vanishAfterFrames": 15, "returnAfterSeconds": 2}]
)
def test_sound_is_cut_with_the_picture_of_a_camera_that_was_mute(faults: dict[str, float], fake: FakeMachine) -> None:
    fake.plug(camera(faults=faults), microphone())
    limits = ("--duration", "4", "--segment-duration", "1", "--reconnect", "9")
    fake("record", "--quiet", *limits, "--audio-codec", "pcm", "a.mkv", code=0)
    spans = [(pictures_span(fake.folder / name), sound_span(fake.folder / name)) for name in fake.files]
    assert len(spans) == 4
    for shown, heard in spans[1:]:
        assert heard == pytest.approx(shown, abs=0.01)
    assert sum(end - begin for _, (begin, end) in spans) == pytest.approx(4, abs=0.02)


def pictures_span(path: Path) -> tuple[float, float]:
    """When a file's pictures, 30 a second, begin and end (seconds)."""
    times = frame_times(path)
    return times[0], times[-1] + 1 / 30


def sound_span(path: Path) -> tuple[float, float]:
    """When a file's sound begins and ends (seconds)."""
    (first,) = probe(path, "-select_streams", "a", "-show_entries", "packet=pts_time", "-read_intervals", "%+#1")["packets"]
    begin = float(first["pts_time"])
    return begin, begin + len(samples(path)) / RATE


def test_a_series_that_is_killed_leaves_its_finished_files_whole(mscli: Program) -> None:
    log = mscli.folder / "events.jsonl"
    with recording(mscli, "--segment-duration", "1", "a.mp4") as process:
        until(lambda: len(events(log, "segment")) == 2)
        process.kill()
    told = [event["file"] for event in events(log, "segment")]
    assert [n for name in told for n in numbers(mscli.folder / name)] == list(range(60))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--trigger", "stdin", "--segment-duration", "1"], "--trigger and --segment-… cannot be combined".encode()),
        (["--pre-roll", "5"], b"--pre-roll needs --trigger"),
        (["--keep", "5"], "--keep needs --segment-…, --split-on-silence or --trigger".encode()),
        (["--segment-clock", "7m"], b"does not divide a day"),
        (["--max-size", "much"], b"is not a size"),
        (["--keep", "0", "--segment-duration", "1"], b"is neither a number of files nor a size"),
    ],
)
def test_what_does_not_go_together_is_told(arguments: list[str], said: bytes, mscli: Program) -> None:
    assert said in mscli("record", *FAKE, *arguments, "a.mkv", code=2).stderr


@pytest.mark.parametrize(
    ("text", "count"), [("100000", 100_000), ("500k", 500_000), ("1.5M", 1_500_000), ("2 GB", 2 * 10**9), ("64MiB", 64 << 20)]
)
def test_sizes_are_read_as_people_write_them(text: str, count: int) -> None:
    assert ByteCountType().convert(text, None, None) == count


def test_full_marks_of_the_clock_and_what_to_keep_are_read_as_people_write_them() -> None:
    assert [ClockIntervalType().convert(text, None, None) for text in ("10", "10m", "1h", "30s")] == [10, 600, 3600, 30]
    assert [RetentionType().convert(text, None, None) for text in ("5", "5G")] == [{"keep_files": 5}, {"keep_bytes": 5 * 10**9}]
    assert DurationType().convert("1:00", None, None) == 60

"""Any driver, any stream: what a user-space camera gives is in the recording, picture by picture, at its time."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import av
import pytest

from tests.backends.pulse_rig import private_pulse
from tests.camera.driver import Camera, Filled, Shot
from tests.camera.rig import CameraMachine, cameras
from tests.camera.streams import HEIGHT, STEP_S, STREAMS, WIDTH, Row, number_in, picture
from tests.cli.program import eventually
from tests.idle import idle_until_end

DURATION_S = 2.5
EXACT_S = 0.002  # Matroska tells milliseconds
START_S = 1.0  # by which one device may start before the other
ENDS_S = 2.0  # from SIGINT to the end
ARRIVES_S = 0.25  # by which a picture may arrive late on a busy machine
STALL_S = 0.8  # without a picture for so long there is black, and what did not come counts as lost


class Shown(NamedTuple):
    """A picture in a file: the number that it carries, and its time in seconds. A black one carries 0."""

    number: int
    at_s: float


def shown_in(path: Path) -> list[Shown]:
    """All pictures of a file."""
    with av.open(str(path)) as container:
        return list(_shown(container))


def _shown(container: Any) -> Iterator[Shown]:
    for frame in container.decode(video=0):
        grey = frame.reformat(format="gray")
        yield Shown(number_in(bytes(grey.planes[0]), grey.planes[0].line_size), float(frame.time))


def given_to(machine: CameraMachine) -> list[Filled]:
    """What the program was given."""
    return machine.driver.filled["/dev/video0"]


def check_pictures(row: Row, given: list[Filled], shown: list[Shown]) -> None:
    """Each given picture is shown once, in order, at its time; in a stall there is black besides."""
    real = [one for index, one in enumerate(shown) if one.number or index == 0]
    assert row.stalls or real == shown
    assert [one.number for one in real] == [filled.number for filled in given][: len(real)]
    assert len(real) >= len([filled for filled in given if filled.at_us - given[0].at_us < (DURATION_S - ARRIVES_S) * 1e6])
    off_s = [one.at_s - filled.at_us / 1e6 for filled, one in zip(given, real, strict=False)]
    assert off_s == pytest.approx([off_s[0]] * len(off_s), abs=ARRIVES_S)
    well_stamped = [off for off, filled in zip(off_s, given, strict=False) if filled.stamp_us == filled.at_us]
    assert well_stamped == pytest.approx(well_stamped[:1] * len(well_stamped), abs=EXACT_S)


@pytest.mark.parametrize("row", STREAMS, ids=lambda row: row.name)
def test_a_recording_has_what_the_camera_gave_at_its_time(row: Row, tmp_path: Path) -> None:
    with cameras(tmp_path, row.camera) as machine:
        done = machine("record", "--no-audio", "--json", "--duration", str(DURATION_S), "a.mkv", code=0)
        given = given_to(machine)
    shown = shown_in(tmp_path / "a.mkv")
    report = json.loads(done.stdout)
    (track,) = report["tracks"]
    check_pictures(row, given, shown)
    least, most = row.retimed(track["frames"] - track["blank"])[0], row.retimed(len(given))[1]
    assert least <= track["retimed"] <= most, "some more may have come after the end"
    assert done.stderr.decode().count("sends impossible timestamps") == (1 if least else 0)
    assert report["reason"] == "duration"
    assert report["duration"] == pytest.approx(DURATION_S, abs=0.1)
    never_given = given[-1].number + 1 - len(given) + row.stalls * round((STALL_S + ARRIVES_S) / STEP_S)
    assert track["lost"] <= never_given
    assert (track["blank"] > 0) is row.stalls


def test_a_clock_at_half_its_pace_is_noticed_and_loses_nothing(tmp_path: Path) -> None:
    begin_us: list[int] = []

    def half_as_late(at_us: int) -> int:
        begin_us.append(at_us)
        return at_us - (at_us - begin_us[0]) // 2

    shots = [Shot(picture(number), STEP_S, half_as_late) for number in range(180)]
    with cameras(tmp_path, Camera(shots, width=WIDTH, height=HEIGHT)) as machine:
        done = machine("record", "--no-audio", "--json", "--duration", "5", "a.mkv", code=0)
        given = given_to(machine)
    (track,) = json.loads(done.stdout)["tracks"]
    assert track["retimed"] > 0, "how soon is measured in tests/property/test_stamps.py"
    assert track["lost"] <= given[-1].number + 1 - len(given)


# With a microphone, whose sound has to reach as far as the picture


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which there is a microphone."""
    with private_pulse(tmp_path_factory.mktemp("pulse"), {"room": "Room"}) as server:
        yield server.environment


WITH_SOUND = [row for row in STREAMS if row.name in ("true times", "the time of day from picture 20 on", "190 s ahead")]


@pytest.mark.parametrize("row", WITH_SOUND, ids=lambda row: row.name)
def test_no_time_makes_silence_or_moves_the_picture_from_the_sound(
    row: Row, tmp_path: Path, microphone: dict[str, str]
) -> None:
    with cameras(tmp_path, row.camera) as machine:
        done = machine("record", "--json", "--duration", str(DURATION_S), "a.mkv", env=microphone, code=0, seconds=30)
    report = json.loads(done.stdout)
    tracks = {track["kind"]: track for track in report["tracks"]}
    assert report["duration"] == pytest.approx(DURATION_S, abs=0.1)
    assert abs(report["avOffset"]) < START_S
    assert tracks["audio"]["silence"] / tracks["audio"]["settings"]["sampleRate"] < START_S
    assert tracks["video"]["frames"] >= (DURATION_S - START_S) * 30 * 0.8
    assert tracks["audio"]["retimed"] == 0


def test_sigint_ends_a_recording_whatever_the_times_say(tmp_path: Path, microphone: dict[str, str]) -> None:
    (row,) = (row for row in STREAMS if row.name == "the time of day from picture 20 on")
    with cameras(tmp_path, row.camera) as machine:
        command = [*machine.argv, "record", "--quiet", "--json", "a.mkv"]
        environment = machine.environment | microphone
        with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE) as process:
            try:
                assert eventually(lambda: len(given_to(machine)) > 60)
                process.send_signal(signal.SIGINT)
                idle_s = idle_until_end(process)
                report = json.loads(process.communicate()[0])
            finally:
                process.kill()
    assert (process.returncode, report["reason"]) == (0, "signal")
    assert idle_s < ENDS_S
    assert report["duration"] < 10

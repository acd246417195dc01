"""Every exit code of the contract, provoked, and what is said with it: one line for people, an object for scripts."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from pathlib import Path

import pytest

from mscli.cli.failure import report_error
from mscli.core.errors import OperationError
from tests.cli.program import Described, FakeMachine, camera, error_json, error_line, microphone, packets, picture
from tests.conftest import ROOT, require
from tests.pattern import pictures, read_code

USAGE = [  # command line, what is said
    (("snapsot", "x.png"), "did you mean “snapshot”?"),
    (("snapshot",), "FILE is missing"),
    (("snapshot", "x.png", "y.png"), "y.png"),
    (("snapshot", "x.png", "--colour", "red"), "--colour"),
    (("snapshot", "x.png", "--width"), "--width"),
    (("snapshot", "x.png", "--width", "wide"), "“wide” is not a whole number for width"),
    (("snapshot", "x.png", "--quality", "2"), "--quality"),
    (("snapshot", "x.png", "--quality", "nan"), "“nan” is not a number"),
    (("snapshot", "x.png", "--advanced", "[]"), "“[]” is not a JSON object"),
    (("snapshot", "x.png", "--constraints", "none.json"), "cannot read the constraints file none.json: no such file"),
    (("snapshot", "x.png", "--fake-devices-from", ""), "cannot read the description of fake devices “”:"),
    (("snapshot", "x.png", "--fake-devices-from", "."), "cannot read the description of fake devices .: is a directory"),
    (("record", "x.wav", "--duration", "0"), "more than 0"),
    (("record", "x.wav", "--duration", "1e308:1e308"), "--duration"),
    (("record", "x.wav", "--duration", "1e300"), "--duration"),
    (("capture", "--frames", "0"), "--frames"),
    (("devices", "--kind", "lamp"), "--kind"),
]

MALFORMED = [  # what --constraints gets, and what is said, with the place
    ("{", "line 1, column 2"),
    ('{"video":\n tru}', "line 2, column 5"),
    ("{video: {width 640}}", "line 1, column 16"),
    ('{"video": NaN}', "NaN"),
    ("[" * 100_000, "is not valid JSON"),
    ("{}", "neither audio nor video is requested"),
    ('{"video": false}', "neither audio nor video is requested"),
    ('"video"', "constraints must be an object"),
    ('{"video": {"frameRate": {"exact": "fast"}}}', "video.frameRate.exact"),
    ('{"video": {"frameRate": 1e400}}', "1e400 is too large a number"),
    ('{"video": {"advanced": {}}}', "video.advanced"),
    ('{"video": {"advanced": [{}, 3]}}', "video.advanced[1]"),
]

COMMANDS = [("snapshot", "x.png"), ("record", "--no-audio", "x.mkv", "--duration", "9"), ("capture", "-o", "x.raw")]

FAULTS: list[tuple[str, int, str]] = [
    ("denied", 4, "NotAllowedError"),
    ("busy", 5, "NotReadableError"),
    ("errorOnStart", 5, "NotReadableError"),
]


@pytest.mark.parametrize(("arguments", "said"), USAGE, ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_wrong_usage_is_2_and_starts_nothing(arguments: tuple[str, ...], said: str, fake: FakeMachine) -> None:
    line = error_line(fake(*arguments, code=2))
    assert line.startswith("mscli: error: ")
    assert said in line
    assert fake.files == []


@pytest.mark.parametrize(("given", "said"), MALFORMED, ids=lambda value: value[:40])
def test_malformed_constraints_are_2_and_the_place_is_told(given: str, said: str, fake: FakeMachine) -> None:
    done = fake("capture", "--json", "--constraints", given, "-o", "x.raw", code=2)
    error = error_json(done)
    assert error["name"] == "TypeError"
    assert said in error["message"]
    assert (done.stdout, fake.files) == (b"", [])


def test_json_that_is_wrong_in_a_file_is_2_and_the_file_is_named(fake: FakeMachine) -> None:
    (fake.folder / "page.json").write_text('{"video": {\n  "width" 640}}')
    done = fake("snapshot", "x.png", "--constraints", "page.json", code=2)
    assert "page.json is not valid JSON: line 2, column 11" in error_line(done)
    assert "page.json is not valid JSON: line 2" in error_line(fake("devices", env={"MSCLI_FAKE_DEVICES": "page.json"}, code=2))
    (fake.folder / "latin.json").write_bytes(b'{"video": "\xe9"}')
    assert "latin.json is not UTF-8 text" in error_line(fake("snapshot", "x.png", "--constraints", "latin.json", code=2))


@pytest.mark.parametrize(
    ("device", "place"),
    [
        ({"kind": "camera"}, "devices[1].kind"),
        ({"label": "no kind"}, "devices[1]"),
        (camera(modes=[]), "devices[1].modes"),
        (camera(modes=[{"width": 0, "height": 1}]), "devices[1].modes[0].width"),
        (camera(faults={"dropEvery": "often"}), "devices[1].faults.dropEvery"),
    ],
)
def test_a_malformed_description_of_fake_devices_is_2_and_the_place_is_told(
    device: Described, place: str, fake: FakeMachine
) -> None:
    fake.plug(microphone(), device)
    assert error_line(fake("devices", code=2)).startswith(f"mscli: error: {place} ")


@pytest.mark.parametrize("command", [("devices",), ("capabilities",), ("record", "--dry-run", "x.mkv")])
def test_an_unknown_member_of_a_description_of_fake_devices_is_warned_of(command: tuple[str, ...], fake: FakeMachine) -> None:
    fake.plug(camera(faults={"dropEvry": 7}), microphone())
    sentence = "ignoring unknown member “devices[0].faults.dropEvry” of the fake devices"
    assert json.loads(fake(*command, "--json", code=0).stderr) == {"warning": sentence}


def test_a_usage_error_is_json_if_json_is_asked_for(fake: FakeMachine) -> None:
    assert error_json(fake("snapshot", "x.png", "--json", "--width", "wide", code=2))["name"] == "TypeError"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_machine_without_devices_is_3(command: tuple[str, ...], fake: FakeMachine) -> None:
    fake.plug()
    assert error_line(fake(*command, code=3)).endswith(" (NotFoundError)")
    assert error_json(fake(*command, "--json", "--dry-run", code=3))["name"] == "NotFoundError"
    assert fake.files == []


def test_a_list_of_no_devices_is_no_error_but_the_capabilities_of_none_are(fake: FakeMachine) -> None:
    fake.plug()
    assert fake.json("devices", "--json") == []
    assert error_line(fake("capabilities", code=3)).endswith(" (NotFoundError)")


@pytest.mark.parametrize(("fault", "code", "name"), FAULTS)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_device_that_fails_has_its_code_and_leaves_no_file(
    command: tuple[str, ...], fault: str, code: int, name: str, fake: FakeMachine
) -> None:
    fake.plug(camera(faults={fault: True}))
    line = error_line(fake(*command, "--quiet", code=code))
    assert line.startswith("mscli: error: ")
    assert line.endswith(f" ({name})")
    assert "“Camera”" in line
    assert error_json(fake(*command, "--json", code=code))["name"] == name
    assert fake.files == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_what_no_device_can_do_is_6_and_what_would_work_is_told(command: tuple[str, ...], fake: FakeMachine) -> None:
    done = fake(*command, "--width", "exact:5000", code=6)
    assert error_line(done) == "mscli: error: no camera offers width = 5000 px (OverconstrainedError)"
    assert "\n  closest that works: " in done.stderr.decode()
    error = error_json(fake(*command, "--json", "--width", "exact:5000", code=6))
    assert (error["name"], error["constraint"], error["conflict"]) == ("OverconstrainedError", "width", ["width"])
    assert fake.files == []


def test_of_several_cameras_that_which_comes_closest_is_named(fake: FakeMachine) -> None:
    sizes = {"Front": {"width": 640, "height": 480}, "Back": {"width": 1280, "height": 720}}
    fake.plug(*(camera(deviceId=label, label=label, modes=[{**size, "frameRate": 30}]) for label, size in sizes.items()))
    both = ("record", "--no-audio", "--camera", "front", "--camera", "back", "-c", "resizeMode=exact:none")
    for size, closest in (("640x480", "640×480 at 30 fps, from “Front”"), ("1280x720", "1280×720 at 30 fps, from “Back”")):
        done = fake(*both, "--size", f"exact:{size}", "x.mkv", code=6)
        assert f"\n  closest that works: {closest}\n" in done.stderr.decode()


def test_constraints_that_cannot_hold_together_are_told_and_the_nearest_settings_can_be_had(fake: FakeMachine) -> None:
    arguments = ("snapshot", "x.png", "--json", "--frame-rate", "exact:25", "-c", "resizeMode=exact:none")
    error = error_json(fake(*arguments, code=6))
    assert set(error) >= {"name", "message", "constraint", "conflict", "nearest"}
    assert set(error["conflict"]) == {"frameRate", "resizeMode"}
    exact = {name: {"exact": value} for name, value in error["nearest"].items()}
    report = fake.json("snapshot", "y.png", "--json", "--constraints", json.dumps({"video": exact}))
    settings = report["tracks"][0]["settings"]
    assert {name: settings[name] for name in error["nearest"]} == error["nearest"]  # controls are as they were


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("snapshot", "x.bmp"), ".png"),
        (("snapshot", "picture"), ".png"),
        (("snapshot", "x.png", "--no-video"), "--no-video"),
        (("record", "x.xyz"), ".mkv"),
        (("record", "x.wav", "--video"), ".mkv"),
        (("capture", "--format", "MAUVE24", "-o", "x.raw"), "RGB24"),
        (("capture", "--format", "s16", "-o", "x.raw"), "RGB24"),
        (("capture", "--audio", "--no-video", "--format", "RGB24", "-o", "x.raw"), "s16"),
        (("capture", "--audio", "--video", "-o", "x.raw"), "record"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_format_that_cannot_be_written_is_7_and_what_can_be_is_told(
    arguments: tuple[str, ...], said: str, fake: FakeMachine
) -> None:
    done = fake(*arguments, code=7)
    assert error_line(done).startswith("mscli: error: ")
    assert said in re.split(r"[;\n]", done.stderr.decode(), maxsplit=1)[1]
    assert fake.files == []


def test_a_camera_that_is_unplugged_is_8_and_the_frames_before_are_in_the_output(fake: FakeMachine) -> None:
    require("ffprobe")
    fake.plug(camera(faults={"vanishAfterFrames": 10}))
    fake("capture", "--quiet", "-o", "x.raw", code=8)
    assert (fake.folder / "x.raw").stat().st_size == 10 * 320 * 240 * 3 // 2
    done = fake("record", "--json", "--no-audio", "--duration", "60", "x.mkv", code=8)
    report = json.loads(done.stdout)
    assert (report["reason"], report["tracks"][0]["frames"], done.stderr) == ("ended", 10, b"")
    assert packets(fake.folder / "x.mkv", "video") == 10


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("nowhere/x.png", "its folder does not exist"),
        ("folder.png", "it is a folder"),
        ("page.json/x.png", "not a folder"),
        (f"{'x' * 300}.png", "its name is too long"),
        ("/dev/full", "the disk is full"),
        ("/proc/x.png", ""),
    ],
)
def test_an_output_that_cannot_be_made_is_9_and_the_remedy_is_told(output: str, said: str, fake: FakeMachine) -> None:
    (fake.folder / "folder.png").mkdir()
    (fake.folder / "page.json").touch()
    before = fake.files
    done = fake("snapshot", "--quiet", "--format", "png", output, code=9)
    assert error_line(done).startswith(f"mscli: error: cannot write {output}: ")
    assert said in error_line(done)
    assert done.stderr.decode().splitlines()[1].startswith("  ")
    fake("capture", "--frames", "1", "-o", output, code=9)
    assert fake.files == before


def test_a_folder_that_one_may_not_write_to_is_9(fake: FakeMachine) -> None:
    locked = fake.folder / "locked"
    locked.mkdir(mode=0o500)
    commands = [("snapshot", "x.png"), ("capture", "-o", "x.raw"), ("record", "x.mkv")]
    if os.geteuid() == 0:  # not even root makes a file there; a recording sees first that there is no room
        locked, commands = Path("/sys/kernel"), commands[:2]
    for command in ((*before, f"{locked}/{name}") for *before, name in commands):
        assert "permission denied" in error_line(fake(*command, code=9))


@pytest.mark.parametrize(
    "command",
    [
        "devices",
        "devices --json",
        "capabilities",
        "snapshot -",
        "snapshot --json x.png",
        "capture --frames 1",
        "--help",
        "--version",
    ],
)
@pytest.mark.parametrize("where", ["/dev/full", "&-"])
def test_a_stdout_that_takes_nothing_is_9(command: str, where: str, fake: FakeMachine) -> None:
    done = fake.shell(f"mscli {command} >{where}")
    assert done.returncode == 9, done.stderr.decode()
    if "--json" in command:
        assert error_json(done)["message"].startswith("cannot write ")
    else:
        assert error_line(done).startswith("mscli: error: cannot write ")


def test_a_disk_that_is_full_is_9_and_what_was_written_can_be_read(fake: FakeMachine) -> None:
    require("ffprobe")
    fake.plug(camera(modes=[{"width": 320, "height": 240, "frameRate": 60}]), microphone())
    done = fake.shell("ulimit -f 200; mscli record --quiet --duration 30 --no-video x.wav")  # 200 KiB
    assert (done.returncode, fake.files) == (9, ["x.wav"]), done.stderr.decode()
    assert error_line(done).startswith("mscli: error: cannot write x.wav: ")
    assert packets(fake.folder / "x.wav", "audio") > 10
    done = fake.shell("ulimit -f 1000; mscli capture --quiet -o x.raw")
    size = (fake.folder / "x.raw").stat().st_size
    assert (done.returncode, size % (320 * 240 * 3 // 2)) == (9, 0)
    assert size > 500_000


def test_a_recording_does_not_replace_a_file_unless_it_is_told_to(fake: FakeMachine) -> None:
    require("ffprobe")
    file = fake.folder / "x.wav"
    file.write_bytes(b"an hour that cannot be repeated")
    done = fake("record", "--duration", "0.1", "x.wav", code=9)
    assert "already exists" in error_line(done)
    assert b"--force" in done.stderr
    assert file.read_bytes() == b"an hour that cannot be repeated"
    fake("record", "--duration", "0.1", "--force", "x.wav", code=0)
    assert packets(file, "audio") > 0


def test_a_snapshot_that_fails_leaves_the_old_picture(fake: FakeMachine) -> None:
    require("identify")
    (fake.folder / "x.png").write_bytes(b"the old picture")
    fake("snapshot", "x.png", "--width", "exact:5000", code=6)
    fake.shell("ulimit -f 1; mscli snapshot x.png")
    assert (fake.folder / "x.png").read_bytes() == b"the old picture"
    fake("snapshot", "x.png", code=0)
    assert (picture(fake.folder / "x.png"), fake.files) == ("PNG 640x480", ["x.png"])


def test_lost_frames_are_10_with_strict_only_and_what_came_is_kept(fake: FakeMachine) -> None:
    require("ffprobe")
    fake.plug(camera(faults={"dropEvery": 5}))
    arguments = ("record", "--no-audio", "--frames", "10", "--json")
    for strict, code in (("--strict", 10), ("--json", 0)):
        done = fake(*arguments, strict, f"{code}.mkv", code=code)
        (track,) = json.loads(done.stdout)["tracks"]
        shown = [code.number for code in map(read_code, (one.luma for one in pictures(fake.folder / f"{code}.mkv"))) if code]
        assert len(shown) == track["frames"] == 10
        assert all((number + 1) % 5 for number in shown)
        assert track["lost"] == shown[-1] + 1 - shown[0] - len(shown) > 1  # a slow machine loses more than the camera does
    fake("capture", "--quiet", "--strict", "--frames", "10", "-o", "x.raw", code=10)
    assert (fake.folder / "x.raw").stat().st_size == 10 * 320 * 240 * 3 // 2


def test_a_microphone_may_be_later_than_the_frames_that_were_asked_for(fake: FakeMachine) -> None:
    fake.plug(camera(), microphone(faults={"stallAfterFrames": 0, "stallSeconds": 4}))
    done = fake("record", "--frames", "2", "--json", "x.mkv", code=0)
    assert [track["frames"] for track in json.loads(done.stdout)["tracks"] if track["kind"] == "video"] == [2]


STALL = {"stallAfterFrames": 15, "stallSeconds": 0.4}


@pytest.mark.parametrize(
    ("plugged", "arguments", "lost"),
    [
        (camera(faults=STALL), ("record", "--no-audio", "--duration", "1.5", "x.mkv"), 12),
        (camera(faults=STALL), ("capture", "--duration", "1.5", "-o", "x.raw"), 12),
        (microphone(faults=STALL), ("record", "--no-video", "--duration", "1", "x.wav"), 19_200),
        (microphone(faults=STALL), ("capture", "--audio", "--no-video", "--duration", "1", "-o", "x.pcm"), 19_200),
        (camera(faults={"jitterMs": 9}), ("record", "--no-audio", "--duration", "1", "x.mkv"), 0),
    ],
    ids=["record a camera", "capture a camera", "record a microphone", "capture a microphone", "only jitter"],
)
def test_what_a_stall_kept_from_coming_is_lost_too(
    plugged: Described, arguments: tuple[str, ...], lost: int, fake: FakeMachine
) -> None:
    fake.plug(plugged)
    (track,) = json.loads(fake(*arguments, "--json", "--strict", code=10 if lost else 0).stdout)["tracks"]
    assert track["lost"] == lost


@pytest.mark.parametrize(
    "constraint", [("-c", "widht=640"), ("--advanced", '{"widht": 640}'), ("--constraints", '{"video": {"widht": 640}}')]
)
def test_an_unknown_constraint_is_10_with_strict_and_a_warning_without(constraint: tuple[str, str], fake: FakeMachine) -> None:
    assert "unknown constraint “widht” (did you mean “width”?)" in error_line(
        fake("snapshot", "x.png", "--strict", *constraint, code=10)
    )
    assert fake.files == []
    done = fake("snapshot", "x.png", "--json", *constraint, code=0)
    assert json.loads(done.stderr) == {"warning": "ignoring unknown constraint “widht” (did you mean “width”?)"}


def caused(by: OSError) -> OperationError:
    """Return an error about an output."""
    error = OperationError("cannot write x.mkv")
    error.__cause__ = by
    return error


@pytest.mark.parametrize(
    ("error", "lacks"),
    [
        (MemoryError(), "memory"),
        (ImportError("libx.so: failed to map segment from shared object"), "memory"),
        (ImportError("out of memory: Cannot allocate memory"), "memory"),
        (OSError(errno.ENOMEM, ""), "memory"),
        (RuntimeError("can't allocate read lock"), "memory"),
        (RuntimeError("can't start new thread"), "threads"),
        (OSError(errno.EAGAIN, ""), "threads"),
        (OSError(errno.EMFILE, ""), "file descriptors"),
        (ImportError("select.so: cannot open shared object file: Too many open files"), "file descriptors"),
        (caused(OSError(errno.EMFILE, "")), "file descriptors"),
    ],
)
def test_what_the_system_lacks_is_named_and_no_defect(
    error: BaseException, lacks: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert report_error(error, []) == 9
    said, remedy = capfd.readouterr().err.splitlines()
    assert said == f"mscli: error: out of {lacks}"
    assert "ulimit" in remedy


@pytest.mark.parametrize("command", ["record --frames 1 x.mkv", "snapshot x.png", "record --events e --frames 1 x.mkv"])
@pytest.mark.parametrize("start", ["", "import mscli.cli.main"])
def test_a_run_with_too_few_descriptors_says_so_or_does_what_was_asked(start: str, command: str, fake: FakeMachine) -> None:
    (fake.folder / "start").write_text(
        f"import resource, sys\n{start}\nfrom mscli.__main__ import main\n"
        "free = int(sys.argv.pop(1))\n"
        "_, most = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3 + free, most))\n"
        "main()\n"
    )
    for free in (*range(6), 30):
        done = fake.shell(f"{sys.executable} start {free} {command}")
        if done.returncode == 0:
            return
        assert done.returncode == 9, done.stderr
        assert done.stderr.endswith(b"mscli: error: out of file descriptors\n  raise ulimit -n\n")
        assert not {"x.mkv", "x.png"}.intersection(fake.files)
    pytest.fail("30 descriptors are not enough")


def test_an_error_of_closing_what_could_not_be_opened_names_what_was_lacking(capfd: pytest.CaptureFixture[str]) -> None:
    closing = RuntimeError("cannot join thread before it is started")
    closing.__context__ = RuntimeError("can't start new thread")
    assert report_error(closing, []) == 9
    assert capfd.readouterr().err.startswith("mscli: error: out of threads\n")


@pytest.mark.parametrize("megabytes", [110, 130, 150, 160, 170, 220, 280, 290])
def test_a_run_with_too_little_memory_says_so_or_does_what_was_asked(megabytes: int, fake: FakeMachine) -> None:
    done = fake.shell(f"ulimit -v {megabytes}000; mscli record --frames 1 --no-audio x.mkv")
    assert (done.returncode, fake.files) in ((9, []), (0, ["x.mkv"])), done.stderr
    assert done.returncode == 0 or b"out of " in done.stderr
    assert done.returncode == 9 or megabytes > 110


@pytest.mark.parametrize(
    ("threads", "command"),
    [
        *((count, "record --frames 3 x.mkv") for count in (1, 7, 9, 11)),
        (20, "record --no-audio --video-codec av1 --frames 3 x.mkv"),  # an encoder with many threads
        (6, "snapshot x.png"),
    ],
)
def test_a_run_with_too_few_threads_says_so_or_does_what_was_asked(threads: int, command: str, fake: FakeMachine) -> None:
    # The limit does not bind root. It counts all threads of a user, so this one has no others.
    fake.folder.chmod(0o777)
    reading = "+dac_read_search"  # of what only root may
    user = f"setpriv --reuid 61234 --regid 61234 --clear-groups --inh-caps {reading} --ambient-caps {reading}"
    script = f"ulimit -u {threads}; exec {' '.join(fake.argv)} {command}"
    done = fake.shell(f"exec {user if os.geteuid() == 0 else ''} bash -c '{script}'")
    assert done.returncode in (0, 9), done.stderr
    assert done.returncode == 9 or fake.files == [command.split()[-1]]
    assert done.returncode == 0 or b"out of threads" in done.stderr
    assert done.returncode == 9 or threads > 1


def test_a_run_without_memory_for_its_own_report_says_so(fake: FakeMachine) -> None:
    broken = fake.folder / "broken"
    broken.mkdir()
    (broken / "rich.py").write_text("raise MemoryError")
    (broken / "sitecustomize.py").write_text(
        "import sys\n"
        "class NoMemory:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'mscli.cli.failure':\n"
        "            raise MemoryError\n"
        "sys.meta_path.insert(0, NoMemory())\n"
    )
    done = fake("devices", env={"PYTHONPATH": f"{broken}{os.pathsep}{ROOT}"}, code=9)
    assert done.stderr == b"mscli: error: out of memory\n"


def test_a_defect_is_1_and_shows_its_traceback_only_with_debug(fake: FakeMachine) -> None:
    broken = fake.folder / "broken"
    broken.mkdir()
    (broken / "rich.py").write_text("raise ArithmeticError('what nobody has thought of')")
    environment = {"PYTHONPATH": f"{broken}{os.pathsep}{ROOT}"}
    done = fake("devices", env=environment, code=1)
    assert error_line(done) == "mscli: error: internal error: ArithmeticError: what nobody has thought of"
    assert b"--debug" in done.stderr
    assert b"Traceback" in fake("devices", "--debug", env=environment, code=1).stderr

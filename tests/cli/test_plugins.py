"""Sources and sinks that other packages bring, used from the command line, and what becomes of those that fail."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import FakeMachine, camera, error_line, microphone, packets
from tests.conftest import ROOT, Completed, clean_environment
from tests.plugins import FOLDER, install
from tests.sinks.synth import run

PACKAGES = ("thing", "rival", "broken")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The packages, each in a folder of its own."""
    folder = tmp_path_factory.mktemp("plugins")
    return {name: install(FOLDER / name, folder) for name in PACKAGES}


class Extended:
    """The program with fake devices, and some of the packages."""

    def __init__(self, fake: FakeMachine, *folders: Path) -> None:
        self.fake = fake
        self._env = {"PYTHONPATH": os.pathsep.join([str(ROOT), *map(str, folders)])}

    def __call__(self, *arguments: str | Path, code: int | None = None, **more: Any) -> Completed:
        return self.fake(*arguments, env=self._env, code=code, **more)

    def json(self, *arguments: str | Path) -> Any:
        return json.loads(self(*arguments, code=0).stdout)


@pytest.fixture
def extended(fake: FakeMachine, installed: dict[str, Path]) -> Extended:
    """With the package that works."""
    return Extended(fake, installed["thing"])


def lines(path: Path) -> list[list[int]]:
    """What the sink of the package has written: track, time, bytes and the first byte of every frame."""
    return [[int(word) for word in line.split()] for line in path.read_text().splitlines()]


def test_an_output_of_a_package_that_fails_is_named_in_the_warning(extended: Extended) -> None:
    outputs = ("x.mkv", "thing://a.thing?fail=write", "thing://b.thing?fail=write")
    said = extended("record", "--no-audio", "--frames", "3", *outputs, code=9).stderr.decode()
    assert [said.count(f"warning: “{name}.thing”: the package mscli-thing failed") for name in "ab"] == [1, 1]


def test_a_source_of_another_package_is_recorded_beside_our_own(extended: Extended) -> None:
    report = extended.json("record", "--camera", "thing:200", "--camera", "fake", "--duration", "1", "--json", "x.mkv")
    sound, thing, fake = report["tracks"]
    assert (sound["kind"], thing["label"], fake["label"]) == ("audio", "Thing 200", "Fake camera")
    assert thing["settings"]["deviceId"] == "thing:200"
    assert (thing["settings"]["width"], thing["settings"]["height"], thing["settings"]["frameRate"]) == (64, 48, 25)
    assert thing["frames"] >= 5  # of 25, if the machine is not busy


def test_the_frames_of_a_source_reach_the_output_as_they_were_given(extended: Extended) -> None:
    done = extended("capture", "--camera", "thing:77", "--frames", "3", "--quiet", code=0)
    assert done.stdout == bytes([77]) * (64 * 48 * 3)


def test_a_source_is_negotiated_with_like_any_camera(extended: Extended) -> None:
    (track,) = extended.json("snapshot", "--camera", "thing:9", "--width", "exact:32", "--dry-run", "--json", "x.png")["tracks"]
    assert (track["settings"]["width"], track["settings"]["resizeMode"]) == (32, "crop-and-scale")
    assert track["constraints"]["deviceId"] == {"exact": "thing:9"}
    assert "width" in error_line(extended("snapshot", "--camera", "thing:9", "--width", "exact:999", "x.png", code=6))
    assert extended.json("capabilities", "thing:9", "--json")["modes"] == [
        {"width": 64, "height": 48, "frameRate": 25.0, "pixelFormat": "GREY"}
    ]


def clip(path: Path, frames: int) -> None:
    """Write a file that the source of the package reads, with a picture every 40 ms and a shade for each."""
    path.write_text("".join(f"0 {number * 40_000} 3072 {number % 256}\n" for number in range(frames)))


def test_a_source_that_is_not_live_loses_nothing_and_keeps_its_times(extended: Extended) -> None:
    clip(extended.fake.folder / "clip.thing", 300)
    report = extended.json("record", "--camera", "clip.thing", "--no-audio", "--json", "x.thing")
    (track,) = report["tracks"]
    assert (track["frames"], track["dropped"], track["lost"], track["retimed"], track["blank"]) == (300, 0, 0, 0, 0)
    assert report["duration"] == 12
    assert (extended.fake.folder / "x.thing").read_text() == (extended.fake.folder / "clip.thing").read_text()


def test_a_source_that_is_not_live_waits_for_who_reads_a_pipe(extended: Extended) -> None:
    clip(extended.fake.folder / "clip.thing", 300)
    done = extended("capture", "--camera", "clip.thing", "--quiet", code=0)
    assert done.stdout == b"".join(bytes([number % 256]) * (64 * 48) for number in range(300))
    done = extended("capture", "--camera", "clip.thing", "--frames", "7", "--quiet", code=0)
    assert len(done.stdout) == 7 * 64 * 48


def test_a_live_source_and_one_that_waits_cannot_be_in_one_recording(extended: Extended) -> None:
    clip(extended.fake.folder / "clip.thing", 300)
    line = error_line(extended("record", "--camera", "clip.thing", "--camera", "fake", "--no-audio", "x.mkv", code=7))
    assert "camera “clip.thing” waits for its readers and camera “Fake camera” does not" in line


def test_two_addresses_of_one_scheme_are_two_devices(extended: Extended) -> None:
    flags = ("--camera", "thing:1", "--camera", "thing:2", "--microphone", "none")
    report = extended.json("record", *flags, "--frames", "5", "--json", "x.thing")
    assert [track["frames"] for track in report["tracks"]] == [5, 5]
    assert {(track, first) for track, _, _, first in lines(extended.fake.folder / "x.thing")} == {(0, 1), (1, 2)}
    twice = ("record", "--camera", "thing:1", "--camera", "thing:1", "x.mkv")
    assert "--camera thing:1 and --camera thing:1 name the same camera" in error_line(extended(*twice, code=2))


def test_a_device_wins_over_an_address_that_looks_like_its_name(extended: Extended) -> None:
    extended.fake.plug(camera(label="thing:5 of mine", deviceId="mine"))
    (track,) = extended.json("snapshot", "--camera", "thing:5", "--dry-run", "--json", "x.png")["tracks"]
    assert track["settings"]["deviceId"] == "mine"


def test_a_sink_of_another_package_takes_files_of_its_suffix(extended: Extended) -> None:
    report = extended.json("record", "--duration", "1", "--json", "x.thing")
    path = extended.fake.folder / "x.thing"
    assert report["files"] == ["x.thing"]
    assert {track for track, *_ in lines(path)} == {0, 1}
    assert extended.fake.files == ["x.thing"]


@pytest.mark.parametrize("command", [("record", "--no-audio"), ("capture", "--format", "GREY", "-o")])
def test_a_sink_of_another_package_takes_addresses_of_its_scheme(command: tuple[str, ...], extended: Extended) -> None:
    path = extended.fake.folder / "written"
    done = extended(*command, f"thing://{path}", "--frames", "4", code=0)
    assert len(lines(path)) == 4
    assert f"thing://{path}: 0." in done.stderr.decode()
    report = extended.json(*command, f"thing://{path}", "--frames", "4", "--json", *["--force"] * (command[0] == "record"))
    assert report["files"] == []


def test_a_packet_sink_of_another_package_shares_an_encoding(extended: Extended) -> None:
    """Its packets are those in the file beside it, to the byte."""
    report = extended.json("record", "--video-codec", "mjpeg", "--duration", "1", "--json", "x.mkv", "x.packets")
    assert [output["files"] for output in report["outputs"]] == [["x.mkv"], ["x.packets"]]
    entries = ("-show_entries", "packet=stream_index,size", "-of", "csv=p=0")
    shown = run("ffprobe", "-v", "error", *entries, extended.fake.folder / "x.mkv")
    in_file = [int(line.split(",")[1]) for line in shown.decode().split() if line.startswith("0,")]
    ours = [line.split() for line in (extended.fake.folder / "x.packets").read_text().splitlines()]
    assert ours[0] == ["tracks", "audio", "video"]
    assert [int(size) for track, codec, _, _, size in ours[1:] if codec == "mjpeg"] == in_file
    assert {codec for _, codec, *_ in ours[1:]} == {"mjpeg", "opus"}


@pytest.mark.parametrize("where", ["constructor", "begin", "put", "end"])
def test_a_packet_sink_that_raises_harms_no_other_output(where: str, extended: Extended) -> None:
    address = f"packets://{extended.fake.folder}/x?fail={where}"
    done = extended("record", "--frames", "30", "--quiet", address, code=9)
    assert error_line(done) == f"mscli: error: the package mscli-thing failed with ValueError: no luck in {where}"
    if where == "constructor":
        return
    done = extended("record", "--frames", "30", "--json", "x.mkv", address, code=9)
    ours, theirs = json.loads(done.stdout)["outputs"]
    assert ours["error"] is None
    assert "no luck" in theirs["error"]["message"]
    assert (extended.fake.folder / "x.mkv").stat().st_size > 1000


def listed(path: Path) -> dict[str, list[int]]:
    """The times of the packets in a list, by codec."""
    head, *rest = [line.split() for line in path.read_text().splitlines()]
    assert head[0] == "tracks"
    return {codec: sorted(int(one[3]) for one in rest if one[1] == codec) for codec in {one[1] for one in rest}}


def frames(extended: Extended, count: int) -> tuple[str, ...]:
    """Flags for a film with as many pictures, one every 40 ms, and a beep: it is read as fast as it is written."""
    film = extended.fake.folder / "film.mkv"
    if not film.exists():
        sources = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25", "-f", "lavfi", "-i", "sine=r=48000")
        run("ffmpeg", "-v", "error", *sources, "-t", str(count / 25), "-c:v", "ffv1", "-c:a", "pcm_s16le", film)
    return ("record", "-i", str(film), "--video-codec", "h264", "--json")


def test_a_packet_sink_of_another_package_is_a_series(extended: Extended) -> None:
    """Each file begins with a key frame; all have all packets together, and sound from the sample of the cut on."""
    report = extended.json(*frames(extended, 75), "--segment-duration", "1", "a-{index}.packets")
    names = [f"a-{number}.packets" for number in (1, 2, 3)]
    assert report["files"] == names
    files = [listed(extended.fake.folder / name) for name in names]
    assert [len(file["h264"]) for file in files] == [25, 25, 25]
    begin = files[0]["h264"][0]
    assert [us for file in files for us in file["h264"]] == [begin + number * 40_000 for number in range(75)]
    for number, (name, file) in enumerate(zip(names, files, strict=True)):
        begin_us = begin + number * 1_000_000
        first = next(line for line in (extended.fake.folder / name).read_text().splitlines() if "h264" in line)
        assert first.split()[2:4] == ["key", str(begin_us)]
        assert -20_000 < file["opus"][0] - begin_us <= 0  # the encoder's delay is before the cut
        assert 980_000 <= file["opus"][-1] - begin_us < 1_000_000
    assert [track["frames"] for track in report["tracks"] if track["kind"] == "video"] == [75]


def test_the_oldest_files_of_a_packet_sink_are_removed(extended: Extended) -> None:
    report = extended.json(*frames(extended, 75), "--segment-duration", "1", "--keep", "2", "a-{index}.packets")
    assert report["files"] == ["a-2.packets", "a-3.packets"]
    assert extended.fake.files == ["a-2.packets", "a-3.packets", "film.mkv"]


@pytest.mark.parametrize("limit", ["--max-size", "--segment-size"])
def test_the_files_of_a_packet_sink_are_limited_in_size(limit: str, extended: Extended) -> None:
    report = extended.json(*frames(extended, 75), limit, "2000", "a-{index}.packets")
    sizes = [(extended.fake.folder / name).stat().st_size for name in report["files"]]
    assert all(500 < size <= 2000 for size in sizes[:-1] or sizes)
    assert report["reason"] == ("size" if limit == "--max-size" else "ended")
    pictures = [us for name in report["files"] for us in listed(extended.fake.folder / name).get("h264", [])]
    assert len(sizes) == 1 if limit == "--max-size" else len(set(pictures)) == len(pictures) == 75


def test_a_trigger_begins_a_file_of_a_packet_sink(extended: Extended) -> None:
    flags = ("--trigger", "stdin", "--pre-roll", "0.5", "--duration", "0.5", "--json")
    done = extended("record", *flags, "a-{index}.packets", "x.mkv", stdin=b"\n", code=0)
    ours, theirs = json.loads(done.stdout)["outputs"]
    assert ours["files"] == ["a-1.packets"]
    packets = listed(extended.fake.folder / "a-1.packets")
    assert len(packets["h264"]) >= 10
    assert packets["opus"]
    assert len(theirs["files"]) == 1


@pytest.mark.parametrize("where", ["constructor", "begin", "put", "end"])
def test_a_file_of_a_series_that_raises_harms_no_other_output(where: str, extended: Extended) -> None:
    flags = ("--segment-duration", "1", "--quiet")
    done = extended(*frames(extended, 75), *flags, f"a-{{index}}?fail={where}.packets", "b-{index}.mkv", code=9)
    ours, theirs = json.loads(done.stdout)["outputs"]
    assert f"no luck in {where}" in ours["error"]["message"]
    assert theirs["error"] is None
    assert theirs["files"] == [f"b-{number}.mkv" for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        (("--segment-duration", "1"), "split"),
        (("--trigger", "stdin"), "wait for triggers with"),
        (("--max-size", "10000"), "limit the size of"),
    ],
)
def test_what_a_packet_sink_cannot_do_is_named(flags: tuple[str, ...], what: str, extended: Extended) -> None:
    assert f"cannot {what} stream: output" in error_line(extended("record", *flags, "stream://x", code=7))
    if what != "limit the size of":
        line = error_line(extended("record", *flags, "packets://x", code=7))
        assert f"cannot {what} packets: addresses, which are not files" in line
    assert extended.fake.files == []


def test_a_packet_sink_of_another_package_holds_its_codecs(extended: Extended) -> None:
    line = error_line(extended("record", "--video-codec", "vp8", "x.packets", code=7))
    assert "a .packets file cannot hold VP8" in line


def test_a_percent_sign_in_an_address_is_no_time(extended: Extended) -> None:
    extended("record", "--frames", "2", "--no-audio", f"thing://{extended.fake.folder}/%20%d", code=0)
    assert extended.fake.files == ["%20%d"]


def test_a_sink_of_another_package_is_no_series_and_no_picture(extended: Extended) -> None:
    assert "cannot split .thing output" in error_line(extended("record", "--segment-duration", "1", "x.thing", code=7))
    line = error_line(extended("snapshot", "x.thing", code=7))
    assert "cannot write .thing pictures" in line


def test_a_picture_is_written_by_a_sink_of_another_package(extended: Extended) -> None:
    done = extended("snapshot", "x.mote", code=0)
    assert "Saved x.mote (640×480, " in done.stderr.decode()
    (line,) = lines(extended.fake.folder / "x.mote")
    assert line[2] == 640 * 480 * 3 // 2
    report = extended.json("snapshot", "--count", "3", "--keep", "2", "--latest", "new", "--json", "s-{index}.mote")
    assert len(report["files"]) == 2
    assert (extended.fake.folder / "new").resolve().name == report["files"][-1]
    done = extended("snapshot", "folder/x.mote", code=9)
    assert "cannot write folder/x.mote: its folder does not exist" in error_line(done)
    done = extended("capture", "--frames", "30", "--control", "-", "-o", "x.yuv", stdin=b'{"snapshot": "y.mote"}\n', code=0)
    assert json.loads(done.stdout.splitlines()[0])["file"] == "y.mote"
    assert len(lines(extended.fake.folder / "y.mote")) == 1


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("constructor", 5), ("devices", 5), ("abilities", 5), ("open", 5), ("settings", 5), ("start", 5), ("thread", 8),
        ("careless", 5),
    ],
)  # fmt: skip
def test_a_source_that_raises_is_an_error_for_people(where: str, code: int, extended: Extended) -> None:
    flags = ("--timeout", "2,1", "--microphone", "none", "--duration", "30")
    done = extended("record", "--camera", f"thing:100?fail={where}", *flags, "x.mkv", code=code)
    said = done.stderr.decode()
    assert "Traceback" not in said
    assert f"ValueError: no luck in {where}" in said
    assert "mscli-thing" in said or "camera “Thing 100”" in said


def test_a_source_that_gives_nonsense_is_an_error_for_people(extended: Extended) -> None:
    line = error_line(extended("snapshot", "--camera", "thing:1?fail=nonsense", "x.png", code=5))
    assert line == "mscli: error: the source that reads thing:1?fail=*** is broken: it returned a str (NotReadableError)"


@pytest.mark.parametrize(
    ("mistake", "why"),
    [
        ("planes", "a frame has 2 planes; GREY of 64×48 has 1"),
        ("strides", "plane 0 of a frame has the stride 1; GREY of 64×48 needs 64 bytes or more"),
        ("bytes", "plane 0 of a frame has 3071 bytes; GREY of 64×48 with this stride needs 3072"),
        ("size", "a frame has the size -64×48"),
        ("format", "it returned a frame of the format “GRAU”, which is unknown"),
        ("time", "the times of a frame are not integers"),
        ("kind", "it returned a AudioData as video"),
        ("type", "it returned a tuple as a frame"),
    ],
)
@pytest.mark.parametrize("command", [("record", "--video-codec", "mjpeg", "-o", "x.mkv"), ("capture", "-o", "x.raw")])
def test_a_frame_that_is_not_what_it_says_ends_its_source(
    mistake: str, why: str, command: tuple[str, ...], extended: Extended
) -> None:
    flags = ("--no-audio", "--duration", "60", "--quiet")
    for name, code in ((mistake, 8), (f"first-{mistake}", 5)):
        done = extended(*command, "--camera", f"thing:9?fail={name}", *flags, "--events", "/dev/fd/1", code=code)
        events = map(json.loads, done.stdout.splitlines())
        (ended,) = (event["reason"] for event in events if event["type"] == "ended")
        assert ended == f"the source that reads thing:9?fail=*** is broken: {why}"
        assert done.stderr.decode() == (f"mscli: error: {ended} (NotReadableError)\n" if code == 5 else "")
        file = extended.fake.folder / command[-1]
        if code == 5:
            assert extended.fake.files == []
        elif command[0] == "record":
            assert packets(file, "video")
        else:
            assert file.stat().st_size % (64 * 48) == 0
            assert file.stat().st_size
        file.unlink(missing_ok=True)


def test_a_time_that_goes_back_is_corrected_and_counted(extended: Extended) -> None:
    report = extended.json("record", "--camera", "thing:9?fail=back", "--no-audio", "--frames", "15", "--json", "x.mkv")
    (track,) = report["tracks"]
    assert track["frames"] == 15
    assert track["retimed"]


def test_a_source_that_raises_when_it_is_stopped_spoils_nothing(extended: Extended) -> None:
    done = extended("record", "--camera", "thing:100?fail=stop", "--no-audio", "--frames", "5", "x.mkv", code=0)
    assert "Traceback" not in done.stderr.decode()
    assert "no luck in stop" in done.stderr.decode()
    assert "x.mkv: 0." in done.stderr.decode()


def test_one_source_that_fails_does_not_end_the_others(extended: Extended) -> None:
    flags = ("--camera", "thing:100?fail=thread", "--camera", "fake", "--duration", "2", "--json")
    done = extended("record", *flags, "x.mkv", code=8)
    report = json.loads(done.stdout)
    assert report["reason"] == "duration"
    assert {track["label"]: track["frames"] for track in report["tracks"]}["Fake camera"] == 60


@pytest.mark.parametrize("where", ["constructor", "open", "write", "close"])
def test_a_sink_that_raises_is_an_error_for_people(where: str, extended: Extended) -> None:
    address = f"thing://{extended.fake.folder}/x?fail={where}"
    line = error_line(extended("record", "--frames", "5", "--quiet", address, code=9))
    assert line == f"mscli: error: the package mscli-thing failed with ValueError: no luck in {where}"


def test_there_is_nothing_at_an_address(extended: Extended) -> None:
    done = extended("snapshot", "--camera", "thing:nothing", "x.png", code=3)
    assert error_line(done) == "mscli: error: no camera at thing:nothing (NotFoundError)"
    done = extended("record", "--microphone", "thing:1", "--no-video", "x.wav", code=3)
    assert error_line(done) == "mscli: error: no microphone at thing:1 (NotFoundError)"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("broken", "it failed with ModuleNotFoundError: No module named 'mscli_broken.missing'"),
        ("gone", "it failed with AttributeError: "),
        ("junk", "its entry point is a str, not a SinkRow"),
        ("leaver", "it failed with SystemExit: goodbye"),
        ("malformed", "it failed with "),
    ],
)
def test_a_broken_package_is_named_with_what_it_failed(
    name: str, why: str, fake: FakeMachine, installed: dict[str, Path]
) -> None:
    mscli = Extended(fake, installed["broken"])
    done = mscli("record", f"x.{name}", code=7)
    assert error_line(done).startswith(f"mscli: error: cannot use the package mscli-broken for “{name}”: {why}")
    assert "pip uninstall mscli-broken" in done.stderr.decode()
    if name == "broken":
        assert "mscli-broken" in error_line(mscli("snapshot", "--camera", "broken://x", "x.png", code=7))


def test_a_package_without_its_class_is_named(fake: FakeMachine, installed: dict[str, Path]) -> None:
    line = error_line(Extended(fake, installed["broken"])("record", "x.homeless", code=9))
    assert line.startswith("mscli: error: the package mscli-broken failed with ModuleNotFoundError")


def test_a_broken_package_harms_nobody_who_does_not_need_it(fake: FakeMachine, installed: dict[str, Path]) -> None:
    mscli = Extended(fake, *installed.values())
    mscli("record", "--frames", "2", "--camera", "thing:1", "x.mkv", code=0)  # which the rival wants, too
    done = mscli("record", "x.unknown", code=7)
    assert "broken (mscli-broken)" in done.stderr.decode()


def test_of_two_packages_for_one_name_none_is_taken(fake: FakeMachine, installed: dict[str, Path]) -> None:
    mscli = Extended(fake, installed["thing"], installed["rival"])
    done = mscli("record", "x.thing", code=7)
    assert error_line(done) == "mscli: error: several packages provide “thing”: mscli-rival and mscli-thing"


@pytest.mark.parametrize("first", [None, "thing"])
def test_metadata_that_cannot_be_read_hide_no_other_package(
    first: str | None, fake: FakeMachine, installed: dict[str, Path], tmp_path: Path
) -> None:
    spoilt = tmp_path / "spoilt/nameless-1.dist-info"
    spoilt.mkdir(parents=True)
    (spoilt / "entry_points.txt").write_bytes(b"[mscli.sinks]\nthing = \xff\n[mscli")
    mscli = Extended(fake, spoilt.parent, installed["thing"])
    mscli("record", "--frames", "2", "--no-audio", "x.thing", code=0)


ADDRESSES = "gopher://me:secret@host/live?token=hidden"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("record", "--camera", ADDRESSES, "x.mkv"), "cannot read gopher: addresses"),
        (("capture", "--microphone", "RIST://x"), "cannot read rist: addresses"),
        (("capabilities", "sctp://x"), "cannot read sctp: addresses"),
        (("record", "-i", "x.odd", "x.mkv"), "cannot read .odd files"),
        (("record", "-i", "odd", "x.mkv"), "cannot read odd: its name has no suffix that says what it holds"),
        (("record", ADDRESSES), "cannot write to gopher: addresses"),
        (("record", "sftp://host/a.mkv"), "cannot write to sftp: addresses"),
        (("snapshot", "rtmp://host/a/x.png"), "cannot write to rtmp: addresses"),
        (("capture", "-o", "rtmp://host/secret"), "cannot write to rtmp: addresses"),
        (("capture", "-o", "ndi:/nowhere/video9"), "cannot write to ndi: addresses"),
        (("snapshot", "https://host/x.png"), "cannot write to https: addresses"),
    ],
)
def test_an_address_that_nobody_serves_is_told_to_be_one(arguments: tuple[str, ...], sentence: str, extended: Extended) -> None:
    done = extended(*arguments, code=7)
    assert error_line(done) == f"mscli: error: {sentence}"
    assert not {"secret", "hidden", "mkdir"} & set(done.stderr.decode().replace("/", " ").split())
    assert b"secret" not in done.stderr
    assert extended.fake.files == []


def test_a_name_with_a_colon_is_a_files_or_a_devices(fake: FakeMachine) -> None:
    fake.plug(camera(), microphone(label="Loop: hw:0"))
    fake("record", "--frames", "2", "--microphone", "hw:0", "take:1.mkv", code=0)
    assert fake.files == ["take:1.mkv"]
    done = fake("record", "--microphone", "hw:7,0", "x.mkv", code=3)
    assert error_line(done).startswith("mscli: error: no microphone matches “hw:7,0”")
    assert "mscli cannot read hw: addresses either" in done.stderr.decode()


def test_no_command_reads_entry_points_before_something_unknown_is_asked_for(fake: FakeMachine) -> None:
    script = (
        "import sys; from mscli.cli.main import run;"
        "code = run(['record', '--fake-devices', '--camera', 'fake', '--no-audio', '--frames', '2', 'x.mkv']);"
        "sys.exit(code or 'importlib.metadata' in sys.modules)"
    )
    environment = clean_environment() | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", script], cwd=fake.folder, env=environment, check=True, capture_output=True)


def test_the_library_takes_an_address_and_a_suffix_too(extended: Extended, installed: dict[str, Path]) -> None:
    script = """
import mscli
with mscli.MediaDevices(backends=[mscli.FakeBackend({})]) as devices:
    before = devices.enumerate_devices()
    (info,) = devices.add_address("thing:50")
    assert len(devices.enumerate_devices()) == len(before)
    wanted = [mscli.Wanted("video", {"deviceId": {"exact": info.device_id}}), mscli.Wanted("video"), mscli.Wanted("audio")]
    stream = devices.get_user_media(wanted=wanted)
    assert [track.label for track in stream.get_video_tracks()] == ["Thing 50", "Fake camera"]
    recorder = mscli.MediaRecorder(stream, file="x.thing", window=(0.5, None))
    recorder.start()
    assert recorder.join(20)
"""
    environment = clean_environment() | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(installed["thing"])])}
    subprocess.run([sys.executable, "-W", "error", "-c", script], cwd=extended.fake.folder, env=environment, check=True)
    assert {track for track, *_ in lines(extended.fake.folder / "x.thing")} == {0, 1, 2}


def test_the_examples_for_contributors_work(fake: FakeMachine, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("examples")
    text = (ROOT / ".github/CONTRIBUTING.md").read_text().partition("## Rules of entry points")[0]
    project = ""
    for language, code in re.findall(r"^```(toml|python)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        before = text[: text.index(code)]
        if language == "toml":
            (project,) = re.findall(r'^name = "mscli-(\w+)"$', code, re.MULTILINE)
        name = "pyproject.toml" if language == "toml" else re.findall(rf"`(mscli_{project}/\w+\.py)`", before)[-1]
        path = folder / project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    mscli = Extended(fake, *(install(folder / name, tmp_path_factory.mktemp(name)) for name in ("noise", "times", "sizes")))
    mscli("record", "--camera", "noise:99", "--no-audio", "--frames", "3", "x.times", code=0)
    assert len((fake.folder / "x.times").read_text().splitlines()) == 3
    mscli("record", "--camera", "noise:", "--no-audio", "--frames", "3", "times://y", code=0)
    assert fake.files == ["x.times", "y"]
    mscli("record", "--frames", "3", "z.mkv", "z.sizes", code=0)
    packets = [line.split() for line in (fake.folder / "z.sizes").read_text().splitlines()]
    assert {(track, kind) for track, kind, *_ in packets} == {("0", "key"), ("1", "key"), ("1", "delta")}
    mscli("record", "--duration", "1", "--segment-duration", "0.5", "z-{index}.sizes", code=0)
    assert len((fake.folder / "z-1.sizes").read_text().splitlines()) >= 5
    assert (fake.folder / "z-2.sizes").exists()

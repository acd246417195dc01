"""HLS in a folder: segments that can be decoded, and the same rules as for any other file."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from mscli.api.recording import check_room
from mscli.core.errors import DisplacedError, OperationError
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import SERVERS, SINKS, load_sink
from mscli.sinks.base import Sink
from mscli.sinks.recording.playlist import LISTED
from mscli.sinks.recording.sink import RecordingSink
from tests.cli.program import FakeMachine, camera, eventually, packets
from tests.conftest import demand
from tests.disks import tiny_disk
from tests.sinks.synth import feed, feed_and_close, frames_for, opened, probe

MP4 = SINKS["mp4"]
HLS = SERVERS[0]
RATE = 25
OTHER = 65534
SEGMENT = 2 * RATE  # frames
TWO = frames_for(MP4, 3 * SEGMENT - 2)  # the encoder holds the last ones


@pytest.fixture
def fake(tmp_path: Path) -> FakeMachine:
    """Return the program, in an empty folder."""
    return FakeMachine(tmp_path)


def names_in(folder: Path, kind: str = "*") -> list[str]:
    return sorted(path.name for path in folder.glob(kind))


def written(path: Path, count: int, **options: object) -> RecordingSink:
    """Record that many frames."""
    sink = opened(HLS, str(path), ["video", "audio"], **options)
    feed(sink, frames_for(MP4, count))
    sink.close()
    assert isinstance(sink, RecordingSink)
    return sink


def growing(path: Path, **options: object) -> Sink:
    """Return a sink that has written two segments."""
    sink = opened(HLS, str(path), ["video", "audio"], **options)
    feed(sink, TWO)
    assert eventually(lambda: len(segments(path)) == 2)
    return sink


def segments(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if not line.startswith("#")] if path.exists() else []


def lengths(path: Path) -> list[float]:
    return [float(length) for length in re.findall(r"#EXTINF:([\d.]+),", path.read_text())]


# What is written


def test_a_playlist_has_every_picture_and_all_the_sound(tmp_path: Path) -> None:
    path = tmp_path / "live.m3u8"
    sink = written(path, SEGMENT + 10)
    assert (sink.files, sink.outputs[0].is_file) == ([str(path)], True)
    assert packets(path, "video") == SEGMENT + 10
    assert packets(path, "audio") >= (SEGMENT + 10) * 1920 // 1024
    assert lengths(path) == [2.0, 0.4]
    assert path.read_text().endswith("#EXT-X-ENDLIST\n")
    assert {one["codec_name"] for one in probe(path, "-show_streams")["streams"]} == {"h264", "aac"}


def test_each_segment_can_be_decoded_alone(tmp_path: Path) -> None:
    path = tmp_path / "live.m3u8"
    written(path, 2 * SEGMENT)
    head = (tmp_path / "live-init.mp4").read_bytes()
    for name in segments(path):
        (alone := tmp_path / "alone.mp4").write_bytes(head + (tmp_path / name).read_bytes())
        first, *others = probe(alone, "-select_streams", "v", "-show_packets")["packets"]
        assert "K" in first["flags"]
        assert len(others) == SEGMENT - 1


def test_old_segments_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "live.m3u8"
    written(path, (LISTED + 4) * SEGMENT)
    assert len(segments(path)) == LISTED
    kept = names_in(tmp_path, "*.m4s")
    assert kept[-LISTED:] == segments(path)
    assert len(kept) == LISTED + 2
    (first,) = re.findall(r"MEDIA-SEQUENCE:(\d+)", path.read_text())
    assert segments(path)[0] == f"live-{first}.m4s"


def test_sound_alone_is_cut_every_two_seconds(tmp_path: Path) -> None:
    path = tmp_path / "live.m3u8"
    sink = load_sink(HLS, str(path), SinkOptions())
    sink.open([TrackFormat("audio")])
    feed(sink, [(0, frame) for track, frame in frames_for(MP4, 3 * RATE) if track])
    sink.close()
    first, second = lengths(path)
    assert 2 <= first < 2.5
    assert first + second == pytest.approx(3, abs=0.1)


def test_sound_between_rare_pictures_begins_no_segment(tmp_path: Path) -> None:
    path = tmp_path / "live.m3u8"
    sink = load_sink(HLS, str(path), SinkOptions(key_frame_s=4))
    sink.open([TrackFormat("video", {"frameRate": 1.0}), TrackFormat("audio")])
    feed(
        sink,
        [(track, frame) for index, (track, frame) in enumerate(frames_for(MP4, 12 * RATE)) if track or not index % (2 * RATE)],
    )
    sink.close()
    assert lengths(path) == pytest.approx([4, 4, 4], abs=0.05)


def test_sound_goes_on_in_segments_without_a_camera(tmp_path: Path) -> None:
    path = tmp_path / "live.m3u8"
    sink = opened(HLS, str(path), ["video", "audio"])
    feed(sink, [(track, frame) for index, (track, frame) in enumerate(frames_for(MP4, 30 * RATE)) if track or index < 2 * RATE])
    sink.close()
    assert len(segments(path)) > 1


def test_a_segment_lasts_until_the_next_key_frame(tmp_path: Path) -> None:
    path = tmp_path / "live.m3u8"
    written(path, 4 * RATE, key_frame_s=3)
    assert lengths(path) == [3.0, 1.0]


def test_names_are_escaped_where_players_would_misread_them(tmp_path: Path) -> None:
    (folder := tmp_path / "x%d").mkdir()
    path = folder / 'a%41 é#?"b.m3u8'
    written(path, 10)
    (name,) = segments(path)
    assert name.startswith("a%2541 é%23%3F%22b-")
    assert 'URI="a%2541 é%23%3F%22b-init.mp4"' in path.read_text()
    assert (folder / name.replace("%25", "%").replace("%23", "#").replace("%3F", "?").replace("%22", '"')).exists()


def test_without_metadata_nothing_tells_the_time(tmp_path: Path) -> None:
    written(tmp_path / "a.m3u8", 10)
    written(tmp_path / "b.m3u8", 10, metadata=False)
    assert "PROGRAM-DATE-TIME" in (tmp_path / "a.m3u8").read_text()
    assert "PROGRAM-DATE-TIME" not in (tmp_path / "b.m3u8").read_text()


def test_nothing_is_left_without_a_frame(tmp_path: Path) -> None:
    opened(HLS, str(tmp_path / "live.m3u8"), ["video"]).close()
    assert names_in(tmp_path) == []


# A full disk


def test_a_full_disk_is_an_error_and_leaves_what_is_complete(tmp_path: Path) -> None:
    with tiny_disk(tmp_path / "disk", 300_000):
        path, beside = tmp_path / "disk/live.m3u8", tmp_path / "x.mp4"
        sink = RecordingSink(HLS, str(path), SinkOptions(), (MP4, str(beside), SinkOptions()))
        sink.open([TrackFormat("video", {"frameRate": RATE}), TrackFormat("audio", {"frameRate": RATE})])
        feed(sink, frames := frames_for(MP4, 6 * SEGMENT, noisy=True))
        sink.close()
        (failed, whole) = sink.outputs
        assert "the disk is full" in str(failed.error)
        assert (whole.error, packets(beside, "video")) == (None, len(frames) // 2)
        assert packets(path, "video") == failed.corrections(0)["kept"] > 0
        assert path.read_text().endswith("#EXT-X-ENDLIST\n")
        kept = names_in(tmp_path / "disk")
        assert kept == sorted([*segments(path), "live-init.mp4", "live.m3u8"])


def test_a_disk_that_is_full_from_the_start_is_an_error(tmp_path: Path) -> None:
    with tiny_disk(tmp_path / "disk", 8192):
        sink = opened(HLS, str(tmp_path / "disk/live.m3u8"), ["video"])
        with pytest.raises(OperationError, match="not enough disk space"):
            check_room(sink)
        with pytest.raises(OperationError, match="the disk is full"):
            feed_and_close(sink, [(0, frame) for track, frame in frames_for(MP4, 4 * SEGMENT, noisy=True) if not track])
        sink.abort()
        assert names_in(tmp_path / "disk") == []


def test_a_disk_that_fills_up_ends_the_program_with_9(fake: FakeMachine) -> None:
    with tiny_disk(fake.folder / "disk", 4_000_000):
        path = fake.folder / "disk/live.m3u8"
        fake.plug(camera())
        with fake.running("record", "-q", "-t", "60", "disk/live.m3u8", events=False) as run:
            assert eventually(lambda: segments(path))
            room = os.statvfs(path)
            (fake.folder / "disk/others").write_bytes(b"x" * (room.f_bavail * room.f_frsize))
            done = run.end()
        assert done.returncode == 9
        assert b"the disk is full" in done.stderr
        assert packets(path, "video") >= 60


# Files of others


@pytest.mark.parametrize("name", ["live.m3u8", "live-init.mp4", "live-1234.m4s"])
def test_a_file_that_is_there_is_replaced_only_with_leave(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"precious")
    (tmp_path / "alive-1.m4s").write_bytes(b"precious")
    with pytest.raises(OperationError, match=f"{name} already exists; use --force"):
        load_sink(HLS, str(tmp_path / "live.m3u8"), SinkOptions(overwrite=False))
    assert (tmp_path / name).read_bytes() == b"precious"


def test_a_segment_that_appears_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "live.m3u8"
    sink = growing(path, overwrite=False)
    number = int(segments(path)[-1][len("live-") : -len(".m4s")])
    for other in range(number + 1, number + 3):
        (tmp_path / f"live-{other}.m4s").write_bytes(b"precious")
    with pytest.raises(OperationError, match="already exists"):
        feed_and_close(sink, frames_for(MP4, 6 * SEGMENT)[len(TWO) :])
    sink.abort()
    assert (tmp_path / f"live-{number + 2}.m4s").read_bytes() == b"precious"


def test_a_replaced_playlist_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "live.m3u8"
    path.touch(0o600)
    written(path, SEGMENT + 10)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("target", ["/dev/null", "/dev/full", "."])
def test_a_playlist_is_a_file(target: str, tmp_path: Path) -> None:
    (link := tmp_path / "link.m3u8").symlink_to(target)
    for name in (str(link), target):
        with pytest.raises(OperationError, match="it is no file"):
            load_sink(HLS, name, SinkOptions())
    with pytest.raises(OperationError, match="its folder does not exist"):
        load_sink(HLS, str(tmp_path / "none/x.m3u8"), SinkOptions())


@pytest.mark.parametrize("name", ["live-init.mp4", "live-{}.m4s"])
def test_a_link_of_another_user_leads_nowhere(name: str, tmp_path: Path) -> None:
    demand(["only root can give files away"] * (os.geteuid() != 0))
    (folder := tmp_path / "shared").mkdir()
    folder.chmod(0o1777)
    (victim := tmp_path / "victim").write_bytes(b"precious")
    path = folder / "live.m3u8"
    sink = growing(path)
    number = int(segments(path)[-1][len("live-") : -len(".m4s")])
    for other in (number + 1, number + 2):
        link = folder / name.format(other)
        link.unlink(missing_ok=True)
        link.symlink_to(victim)
        os.lchown(link, OTHER, OTHER)
    with pytest.raises(OperationError):
        feed_and_close(sink, frames_for(MP4, 8 * SEGMENT)[len(TWO) :])
    sink.abort()
    assert victim.read_bytes() == b"precious"


# One writer


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "live.m3u8"
    sink = opened(HLS, str(path), ["video"])
    for _ in range(2):
        second = RecordingSink(HLS, str(tmp_path / "other.m3u8"), SinkOptions())
        second.abort()
        with pytest.raises(OperationError, match="another program is writing it"):
            opened(HLS, str(path), ["video"])
        feed(sink, [(0, frame) for track, frame in TWO if not track])  # now it has its name
        assert eventually(lambda: segments(path))
    sink.close()
    written(path, 10)


def test_two_playlists_share_no_file(tmp_path: Path) -> None:
    first = opened(HLS, str(tmp_path / "a.m3u8"), ["video"])
    with pytest.raises(OperationError, match=r"a-init.mp4: another program is writing it"):
        opened(HLS, str(tmp_path / "a.M3U8"), ["video"])
    first.close()


# A folder that changes


def _remove_all(path: Path) -> None:
    for one in path.parent.iterdir():
        one.unlink()


def _replace(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"of somebody else")


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("live.m3u8", _remove_all),
        ("live.m3u8", Path.unlink),
        ("live.m3u8", _replace),
        ("live-init.mp4", Path.unlink),
        ("live-init.mp4", _replace),
        ("segment", Path.unlink),
        ("segment", _replace),
    ],
)
@pytest.mark.parametrize("goes_on", [False, True])
def test_a_file_that_is_removed_or_replaced_is_an_error(
    what: str, change: Callable[[Path], None], goes_on: bool, tmp_path: Path
) -> None:
    path = tmp_path / "live.m3u8"
    sink = growing(path)
    changed = tmp_path / (segments(path)[-1] if what == "segment" else what)
    change(changed)
    with pytest.raises(DisplacedError, match=re.escape(changed.name) if change is not _remove_all else "live"):
        feed_and_close(sink, frames_for(MP4, 4 * SEGMENT)[len(TWO) :] * goes_on)
    sink.abort()
    if change is _replace:
        assert changed.read_bytes() == b"of somebody else"


def test_a_folder_emptied_under_it_ends_the_program_with_9(fake: FakeMachine) -> None:
    path = fake.folder / "live.m3u8"
    fake.plug(camera())
    with fake.running("record", "-q", "-t", "60", "live.m3u8", events=False) as run:
        assert eventually(lambda: segments(path))
        _remove_all(path)
        done = run.end()
    assert done.returncode == 9
    assert b"was moved or removed while it was written" in done.stderr

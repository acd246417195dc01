"""A camera's own MJPEG and H.264 in files, as it came: read back byte by byte, and picture by picture, by ffmpeg."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import av
import pytest

from mscli.api.recording import Delivery
from mscli.core.annexb import HEVC
from mscli.core.codecs import CAMERA_CODECS, VIDEO_CODECS
from mscli.core.errors import NotReadableError, NotSupportedError
from mscli.core.frames import EncodedVideoChunk, Media, Rect, blank, packed_planes, span_s
from mscli.core.window import Window
from mscli.encode.codecs import CONTAINERS
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.media.pictures import Converter, as_video_frame
from mscli.sinks import SINKS, SinkPlan, load_sink, load_sinks
from mscli.sinks.base import Sink
from mscli.sources.v4l2.order import DisplayOrder
from tests.camera import test_reordered
from tests.camera.test_codecs import stream
from tests.sinks.synth import T0, close_to, feed_and_close, frame_times, h264, jpeg, picture, probe, run, tone
from tests.unit.test_encoded_sources import Named, reordered

JITTER_US = (0, 3_000, -2_000, 11_000, 7_000)

copying_containers = pytest.mark.parametrize("suffix", ["mkv", "mp4"])


def moment(index: int) -> int:
    return index * 40_000 + JITTER_US[index % len(JITTER_US)]


def jpegs(count: int) -> list[EncodedVideoChunk]:
    return [jpeg(rgb=(index * 40 % 256, 90, 30), at_us=T0 + moment(index)) for index in range(count)]


def chunks(count: int) -> list[EncodedVideoChunk]:
    return [replace(chunk, timestamp=T0 + moment(index)) for index, chunk in enumerate(h264(count))]


def copier(path: Path | io.BytesIO, kinds: Sequence[str] = ("video",), *, form: str = "", suffix: str = "mkv") -> Sink:
    target = str(path) if isinstance(path, Path) else path
    row = SINKS[path.suffix[1:] if isinstance(path, Path) else suffix]
    sink = load_sink(row, target, SinkOptions(video_codec="copy"))
    sink.open([TrackFormat(kind, {"frameRate": 25.0}, form if kind == "video" else "") for kind in kinds])
    return sink


def copied(path: Path, frames: Sequence[Media]) -> Sink:
    sink = copier(path)
    feed_and_close(sink, [(0, frame) for frame in frames])
    return sink


def content(frames: Sequence[EncodedVideoChunk]) -> bytes:
    return b"".join(bytes(chunk.data) for chunk in frames)


def picture_sums(source: Path, form: str) -> list[str]:
    """A checksum of every picture as it decodes."""
    said = run("ffmpeg", "-v", "error", "-f", form, "-i", source, "-fps_mode", "passthrough", "-f", "framemd5", "-").decode()
    return [line.rpartition(",")[2].strip() for line in said.splitlines() if not line.startswith("#")]


@copying_containers
def test_the_files_jpegs_are_the_cameras_own(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    frames = jpegs(20)
    copied(path, frames)
    assert run("ffmpeg", "-v", "error", "-i", path, "-c", "copy", "-f", "mjpeg", "-") == content(frames)
    (stream,) = probe(path)["streams"]
    assert (stream["codec_name"], stream["width"], stream["height"]) == ("mjpeg", 64, 48)
    assert close_to(frame_times(path), [moment(index) / 1e6 for index in range(20)], 0.001)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov"])
@pytest.mark.parametrize("codec", ["copy", "h264"])
def test_pictures_keep_their_times_after_a_gap_of_seven_hours(codec: str, suffix: str, tmp_path: Path) -> None:
    times = [0, 40_000, 80_000, *(7 * 3600 * 1_000_000 + step for step in (0, 40_000, 80_000))]
    frames = [replace(jpegs(1)[0] if codec == "copy" else picture(), timestamp=T0 + at_us) for at_us in times]
    path = tmp_path / f"a.{suffix}"
    sink = load_sink(SINKS[suffix], str(path), SinkOptions(video_codec=codec))
    sink.open([TrackFormat("video", {"frameRate": 25.0}, "")])
    feed_and_close(sink, [(0, frame) for frame in frames])
    repeated = [80_000 + 6 * 3600 * 1_000_000] if suffix != "mkv" else []
    assert close_to(frame_times(path), [at_us / 1e6 for at_us in sorted([*times, *repeated])], 0.001)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov"])
def test_copied_h264_goes_on_after_such_a_gap_in_mp4_at_a_key_frame(suffix: str, tmp_path: Path) -> None:
    stream = [*h264(10), *h264(10)]  # key frames are the first and the eleventh
    late_us = [index * 40_000 + (index >= 5) * 7 * 3600 * 1_000_000 for index in range(20)]
    path = tmp_path / f"a.{suffix}"
    sink = copied(path, [replace(chunk, timestamp=T0 + us) for chunk, us in zip(stream, late_us, strict=True)])
    waits = suffix != "mkv"
    why = "depends on a key frame that did not arrive" if waits else ""
    assert (sink.faults(0).damaged, sink.faults(0).why) == (5 * waits, why)
    shown = [*late_us[:5], late_us[4] + 6 * 3600 * 1_000_000, *late_us[10:]] if waits else late_us
    assert close_to(frame_times(path), [us / 1e6 for us in shown], 0.001)


def without_tables(data: bytes) -> bytes:
    """The JPEG as many cameras send it: without Huffman tables."""
    at, kept = 2, data[:2]
    while data[at + 1] != 0xDA:  # the scan
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        kept += b"" if data[at + 1] == 0xC4 else data[at:end]
        at = end
    return kept + data[at:]


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov"])
def test_jpegs_without_huffman_tables_get_them(suffix: str, tmp_path: Path) -> None:
    bare = [replace(frame, data=memoryview(without_tables(bytes(frame.data)))) for frame in jpegs(3)]
    assert all(b"\xff\xc4" not in bytes(frame.data) for frame in bare)
    copied(tmp_path / f"a.{suffix}", bare)
    stream = run("ffmpeg", "-v", "error", "-i", tmp_path / f"a.{suffix}", "-c", "copy", "-f", "mjpeg", "-")
    assert stream.count(b"\xff\xc4") == 3


def test_a_picture_that_is_not_whole_is_not_copied_but_counted(tmp_path: Path) -> None:
    frames = jpegs(6)
    torn = replace(frames[3], data=frames[3].data[:200])
    sink = copied(tmp_path / "a.mkv", [*frames[:3], torn, *frames[4:]])
    whole = [*frames[:3], *frames[4:]]
    assert run("ffmpeg", "-v", "error", "-i", tmp_path / "a.mkv", "-c", "copy", "-f", "mjpeg", "-") == content(whole)
    assert sink.corrections(0) == {"decodeErrors": 1}


@copying_containers
def test_the_files_h264_is_the_cameras_own(suffix: str, tmp_path: Path) -> None:
    path, original = tmp_path / f"a.{suffix}", tmp_path / "a.h264"
    frames = chunks(40)
    copied(path, frames)
    original.write_bytes(content(frames))
    assert picture_sums(path, "mov" if suffix == "mp4" else "matroska") == picture_sums(original, "h264")
    assert close_to(frame_times(path), [moment(index) / 1e6 for index in range(40)], 0.001)


@copying_containers
def test_a_stream_that_begins_in_the_middle_is_recorded_from_its_first_key_frame(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    late = [replace(frame, timestamp=frame.timestamp + 200_000) for frame in chunks(10)]
    sink = copied(path, [*chunks(5)[1:], *late])
    assert len(frame_times(path)) == 10
    assert sink.corrections(0) == {"early": 4}


@copying_containers
def test_sound_goes_beside_copied_pictures(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    sink = copier(path, ("video", "audio"))
    for index, frame in enumerate(jpegs(25)):
        sink.write(0, frame)
        sink.write(1, tone(index * 1920, 1920))
    sink.close()
    assert [stream["codec_type"] for stream in probe(path)["streams"]] == ["video", "audio"]
    assert sink.track_bytes(0) == len(content(jpegs(25)))
    run("ffmpeg", "-v", "error", "-i", path, "-f", "null", "-")


def test_the_black_of_a_muted_track_is_left_out_and_counted(tmp_path: Path) -> None:
    frames = jpegs(5)
    sink = copied(tmp_path / "a.mkv", [*frames[:2], blank(frames[2]), *frames[3:]])
    assert len(frame_times(tmp_path / "a.mkv")) == 4
    assert sink.corrections(0) == {"hidden": 1}


def test_raw_pictures_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(
        NotSupportedError,
        match="cannot copy YUYV, the format of this camera mode; only H264, HEVC, VP9, VP8 and MJPEG can be",
    ):
        copier(tmp_path / "a.mkv", form="YUYV")
    sink = copier(tmp_path / "a.mkv")
    with pytest.raises(NotSupportedError, match="cannot copy YUYV"):
        sink.write(0, picture("YUYV"))
    sink.abort()
    assert list(tmp_path.iterdir()) == []


def test_pictures_that_are_to_be_cropped_are_refused() -> None:
    sink = copier(io.BytesIO())
    with pytest.raises(NotSupportedError, match="cannot crop or scale video that is copied"):
        sink.write(0, replace(jpeg(), visible_rect=Rect(0, 0, 32, 24), display_size=(32, 24)))
    sink.abort()


def test_a_container_that_takes_no_cameras_pictures_names_those_that_do() -> None:
    with pytest.raises(NotSupportedError, match=r"\.wav") as caught:
        copier(io.BytesIO(), suffix="wav")
    assert caught.value.hints == ("use .mkv, .mp4, .mov, .webm",)


@pytest.mark.parametrize(("seconds", "told"), [(12, "within 11 s"), (3, "within 2 s")])
def test_a_camera_that_gives_no_picture_to_begin_with_is_told_after_ten_seconds_or_at_the_end(seconds: int, told: str) -> None:
    sink = copier(io.BytesIO(), ("video", "audio"))
    blocks: list[tuple[int, Media]] = [(1, tone(index * 48_000, 48_000)) for index in range(seconds)]
    with pytest.raises(NotReadableError, match=f"no key frame from the camera {told}$"):
        feed_and_close(sink, blocks)
    sink.abort()


STREAMS = {"H264": "libx264", "HEVC": "libx265", "VP8": "libvpx", "VP9": "libvpx-vp9"}


@pytest.mark.parametrize(
    ("suffix", "form"), [(row.suffix, form) for row in CONTAINERS.values() for form in row.copied if form != "MJPEG"]
)
def test_every_format_of_cameras_is_copied_picture_by_picture_into_the_containers_that_hold_it(
    suffix: str, form: str, tmp_path: Path
) -> None:
    path, row = tmp_path / f"a.{suffix}", CAMERA_CODECS[form]
    data = stream(STREAMS[form])
    packets = [EncodedVideoChunk("delta", T0 + n * 40_000, memoryview(one), row.name, 64, 48) for n, one in enumerate(data)]
    sink = copier(path, form=form)
    feed_and_close(sink, [(0, packet) for packet in packets])
    early = sink.faults(0).early
    assert 0 < early < 10  # up to the first key frame
    decoder = Converter("I420")
    shown = [frame for packet in packets[early:] if (frame := decoder.convert(packet)) is not None]
    with av.open(str(path), "r") as file:
        assert (file.streams.video[0].width, file.streams.video[0].height) == (64, 48)
        found = [as_video_frame(picture, packets[0]) for picture in file.decode(video=0)]
    assert len(found) == len(shown) == len(packets) - early
    assert [list(map(bytes, packed_planes(one))) for one in found] == [list(map(bytes, packed_planes(one))) for one in shown]
    assert close_to(frame_times(path), [n / 25 for n in range(len(found))], 0.001)


@pytest.mark.parametrize("form", ["h264", "hevc"])
@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("count", [1, 2, 28, 29, 37])  # after 28 and 36 MP4's last fragment is shown before the end of another
def test_a_file_that_ends_within_a_group_of_b_frames_has_all_pictures_and_their_duration(
    form: str, suffix: str, count: int, tmp_path: Path
) -> None:
    path, chunks = tmp_path / f"a.{suffix}", reordered(form, count, step_us=40_000)
    feed_and_close(copier(path, form=form.upper()), [(0, chunk) for chunk in chunks])
    times = sorted((chunk.timestamp - T0) / 1e6 for chunk in chunks)
    told = probe(path, "-show_format", "-show_entries", "frame=pts_time", "-select_streams", "v")
    assert close_to([float(frame["pts_time"]) for frame in told["frames"]], times, 0.002)
    assert float(told["format"]["duration"]) == pytest.approx(times[-1] + 0.04, abs=0.002)


@pytest.mark.parametrize("codec", ["copy", ""])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("form", ["h264", "hevc"])
@pytest.mark.parametrize("shape", ["bframes=0", "bframes=3:open-gop=1", "bframes=3:open-gop=0"])
def test_a_stream_joined_between_key_frames_has_the_reported_frames_and_duration(
    shape: str, form: str, suffix: str, codec: str, tmp_path: Path
) -> None:
    path, row = tmp_path / f"a.{suffix}", VIDEO_CODECS[form]
    assert row.headers is not None
    order = DisplayOrder(row.headers())
    given = test_reordered.stream(shape, {"h264": "libx264", "hevc": "libx265"}[form])[5:45]
    sink = load_sink(SINKS[suffix], str(path), SinkOptions(video_codec=codec))
    sink.open([TrackFormat("video", {"frameRate": 25.0}, form.upper())])
    delivery = Delivery(sink, [Named()], Window(["video"]))  # type: ignore[list-item]
    for number, (data, _) in enumerate(given):
        kind = "key" if row.starts(memoryview(data)) else "delta"
        chunk = EncodedVideoChunk(kind, T0 + number * 40_000, memoryview(data), form, 64, 48, 40_000, number)
        delivery.take(0, order.place(chunk))
    delivery.finish()
    sink.close()
    assert delivery.complete_counts(complete=True) is None
    (counts,) = delivery.counts
    told = probe(path, "-show_format", "-count_frames", "-show_streams", "-select_streams", "v")
    frames = int(told["streams"][0]["nb_read_frames"])
    assert (counts.frames, counts.damaged, counts.lost) == (frames, 0, 40 - frames)
    assert frames == 25, (
        "those from the key frame on that do not build on earlier ones, which are three of 28 with an open group"
    )
    assert span_s(delivery.counts) == pytest.approx(float(told["format"]["duration"]), abs=0.0025)


# A prefix SEI unit: a recovery point, from which the fourth picture is whole. x265 sends none.
RECOVERY_OF_HEVC = b"\0\0\0\1\x4e\x01\x06\x02\x11\x40\x80"


@pytest.mark.parametrize("form", ["h264", "hevc"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_pictures_that_are_not_refreshed_yet_count_as_lost_as_players_do_not_show_them(
    suffix: str, form: str, tmp_path: Path
) -> None:
    path, begin = tmp_path / f"a.{suffix}", test_reordered.KEY_EVERY
    given = [data for data, _ in test_reordered.stream("bframes=0:intra-refresh=1", STREAMS[form.upper()])]
    if form == "hevc":
        content = HEVC.content(memoryview(given[0]))
        assert content is not None
        given[begin] = content.sets + RECOVERY_OF_HEVC + given[begin]
    sink = copier(path, form=form.upper())
    delivery = Delivery(sink, [Named()], Window(["video"]))  # type: ignore[list-item]
    for number, data in enumerate(given[2:]):
        delivery.take(0, EncodedVideoChunk("delta", T0 + number * 40_000, memoryview(data), form, 64, 48, 40_000, number))
    delivery.finish()
    sink.close()
    assert delivery.complete_counts(complete=True) is None
    (counts,) = delivery.counts
    with av.open(str(path), "r") as file:
        shown = sum(1 for _ in file.decode(video=0))
    assert int(probe(path, "-count_packets", "-show_streams")["streams"][0]["nb_read_packets"]) == len(given) - begin
    assert (counts.frames, counts.lost, counts.damaged) == (shown, len(given) - 2 - shown, 0)
    assert shown < len(given) - begin, "the first ones only refresh the picture"


def test_outputs_share_one_copier_of_what_all_of_them_hold(tmp_path: Path) -> None:
    targets = [SinkPlan(SINKS[suffix], str(tmp_path / f"a.{suffix}"), SinkOptions(video_codec="copy"), (0,), ("video",))
               for suffix in ("mkv", "mp4")]  # fmt: skip
    (group,) = load_sinks(targets)
    group.sink.open([TrackFormat("video", {"frameRate": 25.0})])
    with pytest.raises(NotSupportedError, match=r"cannot copy VP8.*only H264, HEVC, VP9 and MJPEG can be copied"):
        group.sink.write(0, EncodedVideoChunk("key", T0, memoryview(stream("libvpx")[7]), "vp8", 64, 48))
    group.sink.abort()

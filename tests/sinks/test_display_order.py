"""Pictures that are shown in another order than they are decoded: cuts, ends and counts are those of the order of display."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from mscli.api.recording import Delivery
from mscli.core.codecs import VIDEO_CODECS
from mscli.core.frames import EncodedVideoChunk, blank
from mscli.core.window import Window
from mscli.encode.options import Series, SinkOptions, TrackFormat
from mscli.sinks import SINKS, load_sink
from mscli.sinks.base import Sink
from mscli.sources.v4l2.order import DisplayOrder
from tests.camera.test_reordered import HEIGHT, LEVELS, STEP_US, WIDTH, stream
from tests.sinks.serial import RATE, begins_with_key_frame, samples, sound
from tests.sinks.synth import T0, feed_and_close, jpeg, probe

CLOSED, OPEN, PYRAMID = "bframes=2:open-gop=0", "bframes=2:open-gop=1", "bframes=3:open-gop=1"
ENCODERS = {"h264": "libx264", "hevc": "libx265"}
JUNK = bytes(range(1, 9))

forms = pytest.mark.parametrize("form", list(ENCODERS))
shapes = pytest.mark.parametrize("shape", [CLOSED, OPEN, PYRAMID])


@cache
def encoded(shape: str, form: str) -> list[tuple[bytes, int]]:
    """60 pictures with a key frame in 20, in the order of decoding, each with its place in the order of display."""
    return stream(shape, ENCODERS[form])


def chunks(shape: str, form: str) -> list[EncodedVideoChunk]:
    """The same as a camera gives them."""
    given, starts = encoded(shape, form), VIDEO_CODECS[form].starts
    most = max(number - place for number, (_, place) in enumerate(given))
    return [
        EncodedVideoChunk(
            "key" if starts(memoryview(data)) else "delta",
            T0 + place * STEP_US, memoryview(data), form, WIDTH, HEIGHT, STEP_US, number,
            reorder_us=(place - number + most) * STEP_US,
        )
        for number, (data, place) in enumerate(given)
    ]  # fmt: skip


def needed(shape: str, form: str, end: int) -> list[int]:
    """The pictures that a copy of those before the end has: those that are decoded up to the last of them."""
    places = [place for _, place in encoded(shape, form)]
    last = max(number for number, place in enumerate(places) if place < end)
    return sorted(places[: last + 1])


def shown(path: Path, first: int = 0) -> list[int]:
    """The pictures of a file, by their times. Their brightness must be that of these pictures; ``first``: that of the first."""
    with av.open(str(path)) as container:
        found = [(float(one.time or 0), bytes(one.planes[0])[0]) for one in container.decode(video=0)]
    places = [first + round(at * 1e6 / STEP_US) for at, _ in found]
    wrong = [place for place, (_, level) in zip(places, found, strict=True) if abs(level - 20 - place * LEVELS % 200) > 3]
    assert not wrong
    assert all(abs(at * 1e6 - (place - first) * STEP_US) < 2_000 for place, (at, _) in zip(places, found, strict=True))
    return places


def packets(path: Path) -> int:
    return int(probe(path, "-count_packets", "-show_streams", "-select_streams", "v")["streams"][0]["nb_read_packets"])


def sink_of(path: Path, form: str, **options: Any) -> Sink:
    sink = load_sink(SINKS["mkv" if path.suffix == ".mkv" else path.suffix[1:]], str(path), SinkOptions(**options))
    sink.open([TrackFormat("video", {"frameRate": 30.0, "width": WIDTH, "height": HEIGHT}, form.upper())])
    return sink


class Track:
    """A track, as far as a delivery knows it."""

    kind, source_name, ended_error, overconstrained, ready_state, paced = "video", "Camera", None, None, "live", False

    class timeouts:  # noqa: N801
        first_s = 20.0


def delivered(sink: Sink, frames: list[Any], window: Window) -> Delivery:
    """Write frames until the window is over, and finish."""
    delivery = Delivery(sink, [Track()], window)  # type: ignore[list-item]
    for frame in frames:
        if not delivery.over:
            delivery.take(0, frame)
    delivery.finish()
    sink.close()
    assert delivery.complete_counts(complete=True) is None
    return delivery


@forms
@shapes
@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_encoded_files_begin_with_a_key_frame_at_the_cut(suffix: str, shape: str, form: str, tmp_path: Path) -> None:
    sink = sink_of(tmp_path / f"a.{suffix}", form, series=Series(duration_s=0.5))
    feed_and_close(sink, [(0, chunk) for chunk in chunks(shape, form)])
    paths = sorted(tmp_path.iterdir())
    assert [shown(path, 15 * n) for n, path in enumerate(paths)] == [list(range(n, n + 15)) for n in (0, 15, 30, 45)]
    assert all(begins_with_key_frame(path) for path in paths)


def test_sound_is_cut_with_pictures_that_a_decoder_gives_later(tmp_path: Path) -> None:
    sink = load_sink(SINKS["mkv"], str(tmp_path / "a.mkv"), SinkOptions(series=Series(duration_s=0.5), audio_codec="pcm"))
    sink.open([TrackFormat("video", {"frameRate": 30.0}, "H264"), TrackFormat("audio", {})])
    entries = [(chunk.order_us, 0, chunk) for chunk in chunks(CLOSED, "h264")]
    entries += [(block.timestamp + 20_000, 1, block) for block in sound(2)]  # type: ignore[misc]
    feed_and_close(sink, [(track, media) for _, track, media in sorted(entries, key=lambda entry: entry[:2])])
    paths = sorted(tmp_path.iterdir())
    assert [shown(path, 15 * n) for n, path in enumerate(paths)] == [list(range(n, n + 15)) for n in (0, 15, 30, 45)]
    assert all(abs(len(samples(path)) - 15 * STEP_US * RATE / 1e6) <= 1 for path in paths[:3])


@forms
@shapes
@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_no_picture_of_an_open_group_is_lost_between_copied_files(suffix: str, shape: str, form: str, tmp_path: Path) -> None:
    sink = sink_of(tmp_path / f"a.{suffix}", form, series=Series(duration_s=0.5), video_codec="copy")
    feed_and_close(sink, [(0, chunk) for chunk in chunks(shape, form)])
    paths = sorted(tmp_path.iterdir())
    given = encoded(shape, form)
    again = [any(place < begin for _, place in given[[place for _, place in given].index(begin) :]) for begin in (20, 40)]
    files = [range(n, min(60, n + 20 + twice)) for n, twice in zip((0, 20, 40), [*again, False], strict=True)]
    assert [shown(path, 20 * n) for n, path in enumerate(paths)] == [list(file) for file in files]
    assert all(begins_with_key_frame(path) for path in paths)
    assert sink.corrections(0) == ({"duplicated": sum(again)} if any(again) else {})
    assert any(again) or "open-gop=1" not in shape


@forms
@shapes
@pytest.mark.parametrize(("end", "off_us"), [(30, 0), (31, 5)])
@pytest.mark.parametrize(("name", "codec"), [("a.mkv", ""), ("a.mkv", "copy"), ("a.mp4", "copy")])
def test_the_end_is_that_of_the_order_of_display(
    name: str, codec: str, end: int, off_us: int, shape: str, form: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    sink = sink_of(path, form, video_codec=codec)
    delivery = delivered(sink, chunks(shape, form), Window(["video"], duration_s=(end * STEP_US + off_us) / 1e6))
    expected = needed(shape, form, end) if codec else list(range(end))
    assert shown(path) == expected
    assert (delivery.counts[0].frames, delivery.counts[0].lost) == (len(expected), 0)
    assert delivery.counts[0].last_us == T0 + (max(expected) + 1) * STEP_US
    assert float(probe(path, "-show_format")["format"]["duration"]) < (max(expected) + 1) * STEP_US / 1e6 + 0.002


@forms
@pytest.mark.parametrize("limit", [{"duration_s": 31 * STEP_US / 1e6}, {"frames": 31}])
def test_raw_pictures_end_there_too(limit: dict[str, Any], form: str, tmp_path: Path) -> None:
    sink = load_sink(SINKS["raw"], str(tmp_path / "a.raw"), SinkOptions(format="GREY"))
    sink.open([TrackFormat("video", {"frameRate": 30.0}, form.upper())])
    delivery = delivered(sink, chunks(PYRAMID, form), Window(["video"], **limit))
    levels = (tmp_path / "a.raw").read_bytes()[:: WIDTH * HEIGHT]
    assert (len(levels), delivery.counts[0].frames, delivery.counts[0].lost) == (31, 31, 0)
    assert all(a < b or a > b + 100 for a, b in pairwise(levels))


@forms
@shapes
def test_frames_count_in_the_order_of_display_what_is_encoded(shape: str, form: str, tmp_path: Path) -> None:
    delivery = delivered(sink_of(tmp_path / "a.mkv", form), chunks(shape, form), Window(["video"], frames=31))
    assert shown(tmp_path / "a.mkv") == list(range(31))
    assert (delivery.counts[0].frames, delivery.counts[0].lost) == (31, 0)
    assert delivery.counts[0].last_us == T0 + 31 * STEP_US
    copied = delivered(sink_of(tmp_path / "b.mkv", form, video_codec="copy"), chunks(shape, form), Window(["video"], frames=31))
    assert (packets(tmp_path / "b.mkv"), copied.counts[0].frames) == (31, 31)


@forms
def test_a_still_takes_one_picture(form: str, tmp_path: Path) -> None:
    delivery = delivered(sink_of(tmp_path / "a.png", form), chunks(PYRAMID, form), Window(["video"], frames=1))
    assert (probe(tmp_path / "a.png")["streams"][0]["width"], delivery.counts[0].frames) == (WIDTH, 1)


@pytest.mark.parametrize("codec", ["h264", "mjpeg"])
def test_frames_count_no_black_that_a_copy_leaves_out(codec: str, tmp_path: Path) -> None:
    given: list[Any] = chunks("bframes=0", codec) if codec in ENCODERS else [jpeg(at_us=T0 + n * STEP_US) for n in range(60)]
    frames = [*given[:10], *map(blank, given[10:20]), *given[20:]]
    delivery = delivered(sink_of(tmp_path / "a.mkv", codec, video_codec="copy"), frames, Window(["video"], frames=25))
    assert (packets(tmp_path / "a.mkv"), delivery.counts[0].frames, delivery.counts[0].blank) == (25, 25, 0)
    encoding = delivered(sink_of(tmp_path / "b.mkv", codec), frames, Window(["video"], frames=25))
    assert (packets(tmp_path / "b.mkv"), encoding.counts[0].frames, encoding.counts[0].blank) == (25, 25, 10)
    sink = load_sink(SINKS["raw"], str(tmp_path / "a.raw"), SinkOptions(format="native"))
    sink.open([TrackFormat("video", {"frameRate": 30.0}, {"mjpeg": "MJPEG"}.get(codec, codec.upper()))])
    assert delivered(sink, frames, Window(["video"], frames=25)).counts[0].frames == 25
    assert (tmp_path / "a.raw").read_bytes() == b"".join(bytes(chunk.data) for chunk in [*given[:10], *given[20:35]])


@forms
@pytest.mark.parametrize("end", [33, 34])
def test_a_triggered_file_has_what_its_last_pictures_depend_on(end: int, form: str, tmp_path: Path) -> None:
    sink = sink_of(
        tmp_path / "a.mkv", form, video_codec="copy",
        series=Series(triggered=True, pre_roll_s=0.1, duration_s=(end - 25) * STEP_US / 1e6),
    )  # fmt: skip
    for number, chunk in enumerate(chunks(PYRAMID, form)):
        if number == 25:
            sink.trigger(T0 + 25 * STEP_US)
        sink.write(0, chunk)
    sink.close()
    (path,) = tmp_path.iterdir()
    assert shown(path, 20) == [place for place in needed(PYRAMID, form, end) if place >= 20]


@forms
@pytest.mark.parametrize("shape", [OPEN, PYRAMID, "bframes=1:open-gop=1", "bframes=2:b-adapt=1:open-gop=1"])
@pytest.mark.parametrize("missing", [0, 1, 3])
def test_times_stay_even_where_no_group_begins_anew(missing: int, shape: str, form: str) -> None:
    """Pictures that a driver loses without a gap in its numbers shift no others for longer than they can be told."""
    headers = VIDEO_CODECS[form].headers
    assert headers is not None
    order, late_us = DisplayOrder(headers()), []
    kept = [(number, *one) for number, one in enumerate(encoded(shape, form)) if not 23 <= number < 23 + missing]
    for sequence, (number, data, place) in enumerate(kept):
        chunk = EncodedVideoChunk("delta", T0 + number * STEP_US, memoryview(data), form, WIDTH, HEIGHT, STEP_US, sequence)
        late_us.append(order.place(chunk).timestamp - T0 - place * STEP_US)
    assert len(set(late_us[:22])) == 1
    even = late_us[-20:] if missing else late_us
    assert max(abs(late - late_us[0]) for late in even) < 1_000


@forms
def test_bytes_before_a_chunk_are_left_out_of_a_copy(form: str, tmp_path: Path) -> None:
    given = chunks(CLOSED, form)
    junk = [
        EncodedVideoChunk(
            one.type, one.timestamp, memoryview(JUNK + bytes(one.data)), form, WIDTH, HEIGHT, STEP_US, one.sequence,
            reorder_us=one.reorder_us,
        )
        for one in given
    ]  # fmt: skip
    for suffix in ("mkv", "mp4"):
        feed_and_close(sink_of(tmp_path / f"a.{suffix}", form, video_codec="copy"), [(0, chunk) for chunk in junk])
        assert shown(tmp_path / f"a.{suffix}") == list(range(60))
    sink = load_sink(SINKS["raw"], str(tmp_path / "a.raw"), SinkOptions(format="native"))
    sink.open([TrackFormat("video", {"frameRate": 30.0}, form.upper())])
    feed_and_close(sink, [(0, chunk) for chunk in junk])
    assert (tmp_path / "a.raw").read_bytes() == b"".join(bytes(chunk.data) for chunk in given)

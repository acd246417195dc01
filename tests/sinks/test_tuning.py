"""Quality, bit rate and presets: each encoder does with them what it can, and what means nothing to it is told."""

from __future__ import annotations

import io
import threading

import pytest

from mscli.core.codecs import AUDIO_CODECS, VIDEO_CODECS
from mscli.core.frames import Media
from mscli.core.threads import tasks, wait_for_sleep
from mscli.encode import video
from mscli.encode.options import PRESETS, SinkOptions
from mscli.encode.tuning import ENCODERS
from mscli.encode.video import Shape, threads
from mscli.sinks import SINKS
from tests.sinks.synth import T0, feed_and_close, noise, opened, tone

SOFTWARE = {codec.name: ENCODERS[codec.encoder] for codec in VIDEO_CODECS.values()}
WITH_QUALITY = [name for name, encoder in SOFTWARE.items() if encoder.quality]
WITH_PRESETS = [name for name, encoder in SOFTWARE.items() if encoder.preset]


def encoded(codec: str, frames: int = 10, **options: object) -> bytes:
    """A recording of noise in that codec, as it is in the file."""
    pictures: list[tuple[int, Media]] = [(0, noise(160, 120, T0 + index * 40_000, index)) for index in range(frames)]
    file = io.BytesIO()
    feed_and_close(opened(SINKS["mkv"], file, ["video"], video_codec=codec, **options), pictures)
    return file.getvalue()


def test_every_encoder_that_a_codec_names_is_in_the_table() -> None:
    named = [name for codec in VIDEO_CODECS.values() for name in (codec.encoder, *codec.hardware)]
    assert sorted(named) == sorted(ENCODERS)


@pytest.mark.parametrize("codec", WITH_QUALITY)
def test_a_better_quality_makes_a_larger_file(codec: str) -> None:
    sizes = [len(encoded(codec, quality=quality)) for quality in (0, 0.5, 1)]
    assert sizes[0] < sizes[1] * 0.9
    assert sizes[1] < sizes[2] * 0.9


@pytest.mark.parametrize(
    ("quality", "crf"), [(None, "23"), (0, "36"), (0.25, "30"), (0.5, "23"), (0.75, "16"), (1, "10")]
)  # fmt: skip
def test_quality_goes_evenly_from_the_worst_by_the_usual_to_the_best(quality: float | None, crf: str) -> None:
    assert ENCODERS["libx264"].settings(SinkOptions(quality=quality))["crf"] == crf


def test_a_bit_rate_takes_the_place_of_a_quality() -> None:
    assert ENCODERS["libx264"].constant_quality(SinkOptions(video_bits_per_second=1_000_000, quality=0.5)) == {}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("codec", WITH_PRESETS)
def test_every_encoder_knows_every_preset(codec: str, preset: str) -> None:
    assert encoded(codec, 3, preset=preset)


@pytest.mark.parametrize("codec", WITH_PRESETS)
def test_a_preset_changes_what_is_encoded(codec: str) -> None:
    assert encoded(codec, preset="ultrafast") != encoded(codec, preset="slow")


def test_every_row_has_a_speed_for_every_preset() -> None:
    assert {len(encoder.speeds) for encoder in ENCODERS.values() if encoder.preset} == {len(PRESETS)}


@pytest.mark.parametrize(
    ("codec", "options", "told"),
    [
        ("ffv1", {"video_bits_per_second": 1_000_000, "quality": 0.5, "preset": "fast"}, ["bit rate", "quality", "preset"]),
        ("mjpeg", {"video_bits_per_second": 1_000_000, "quality": 0.5, "preset": "fast"}, ["bit rate", "preset"]),
        ("h264", {"quality": 0.5, "preset": "fast"}, []),
        ("vp8", {"video_bits_per_second": 1_000_000, "preset": "fast"}, []),
    ],
)
def test_what_means_nothing_to_an_encoder_is_told(codec: str, options: dict[str, object], told: list[str]) -> None:
    notes: list[str] = []
    assert encoded(codec, 1, on_note=notes.append, **options)
    assert [note.partition("ignoring the ")[2].partition(":")[0] for note in notes] == told


@pytest.mark.parametrize(
    ("shape", "preset", "most"),
    [
        (Shape(640, 480, 30.0), "", 2),
        (Shape(1920, 1080, 30.0), "", 3),
        (Shape(3840, 2160, 30.0), "", 6),
        (Shape(1920, 1080, 30.0), "slow", 15),
        (Shape(1920, 1080, 1.0), "slow", 1),
    ],
)
def test_no_more_pictures_are_worked_at_than_keep_up_with_the_camera(shape: Shape, preset: str, most: int) -> None:
    assert 1 <= threads(shape, preset) <= most


def test_x264_works_at_whole_pictures() -> None:
    assert b" sliced_threads=0 " in encoded("h264", 1)


@pytest.mark.skipif(not tasks(), reason="the system does not tell what threads do")
@pytest.mark.parametrize(("codec", "waits"), [("av1", True), ("h264", False)])
def test_av1_takes_no_picture_while_its_threads_are_busy(codec: str, waits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise SVT-AV1 can hang: how seldom depends on the load of the machine."""
    asked: list[set[int]] = []

    def wait(threads: set[int], most_s: float) -> set[int]:
        asked.append(set(threads))
        return wait_for_sleep(threads, most_s)

    monkeypatch.setattr(video, "wait_for_sleep", wait)
    assert encoded(codec, frames=10)
    assert len(asked) == (10 if waits else 0)
    assert all(len(threads) > 8 and threading.get_native_id() not in threads for threads in asked)


@pytest.mark.parametrize("bits", [1, 999, 2**32 - 1])
@pytest.mark.parametrize("codec", [name for name, encoder in SOFTWARE.items() if encoder.bit_rate])
def test_any_bit_rate_becomes_one_that_the_encoder_can_work_towards(codec: str, bits: int) -> None:
    assert encoded(codec, 3, video_bits_per_second=bits)


@pytest.mark.parametrize("bits", [1, 499, 5_000_000, 2**32 - 1])
@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize("codec", [name for name, row in AUDIO_CODECS.items() if row.lossy])
def test_any_bit_rate_of_sound_becomes_one_that_the_codec_has(codec: str, channels: int, bits: int) -> None:
    channels = min(channels, AUDIO_CODECS[codec].most_channels)
    file = io.BytesIO()
    sink = opened(SINKS["mkv"], file, ["audio"], audio_codec=codec, audio_bits_per_second=bits)
    feed_and_close(sink, [(0, tone(start, 4800, channels=channels)) for start in range(0, 48_000, 4800)])
    assert file.getvalue()

"""The status line of a recording."""

from __future__ import annotations

import pytest

from mscli.cli.report import duration_text, long_text, size_text
from mscli.cli.say import Voice
from mscli.cli.shared import Shared
from mscli.cli.status import Progress, fitting, plain, progress_of, status_items
from mscli.core.clock import now_us
from mscli.core.level import Levels, MeterReading
from mscli.sinks.recording.network.publisher import Published
from tests.unit.stage import MemorySink, Recording, device, picture, push

KEYS = "p pause  q stop"


@pytest.fixture
def seconds(recording: Recording) -> Recording:
    """Return a recording of three seconds."""
    recording.recorder.start()
    start = now_us() - 3_000_000
    push(recording.track, *(picture(start + n * 100_000) for n in range(31)))
    recording.stage.run_until(lambda: recording.run.counts[0].frames == 31)
    return recording


def line(recording: Recording, sound: MeterReading | None = None, *, paused: bool = False) -> str:
    return plain(status_items(progress_of(recording.run, paused=paused), sound, KEYS, ""))


def test_it_shows_keys_state_time_size_and_rate(seconds: Recording) -> None:
    assert line(seconds) == "p pause  q stop  ● recording 0:03  31 B  10.2 fps"
    seconds.recorder.stop()
    seconds.finish()


def test_it_shows_a_pause_and_losses(seconds: Recording) -> None:
    device(seconds.track).on_lost(7)
    assert line(seconds, paused=True) == "p pause  q stop  ‖ paused 0:03  31 B  10.2 fps  7 lost"
    seconds.recorder.stop()
    seconds.finish()


@pytest.mark.parametrize(
    ("sound", "shown"),
    [
        (MeterReading(0.0, 0.0), "········ -60 dB"),
        (MeterReading(0.0316, 0.5), "████··▌· -6 dB"),
        (MeterReading(0.5, 0.5), "███████· -6 dB"),
        (MeterReading(0.1, 1.0), "█████··▌ 0 dB  CLIP"),
    ],
)
def test_the_meter_shows_level_peak_and_clipping(seconds: Recording, sound: MeterReading, shown: str) -> None:
    assert line(seconds, sound).endswith(f"fps  {shown}")
    seconds.recorder.stop()
    seconds.finish()


@pytest.mark.parametrize(
    ("published", "shown"),
    [
        (Published("connecting", 0, 0, 0, 0.0), "rtmp connecting"),
        (Published("publishing", 90, 0, 0, 2_512_000.0), "rtmp 2.51 Mbit/s"),
        (Published("publishing", 90, 7, 2, 640_000.0), "rtmp 640 kbit/s 7 not sent ↻2"),
        (Published("interrupted", 90, 7, 2, 640_000.0), "rtmp interrupted"),
    ],
)
def test_it_shows_how_it_goes_with_a_server(published: Published, shown: str) -> None:
    progress = Progress([], [], 1.0, 0, published=[("rtmp://host/live/***", published)])
    assert plain(status_items(progress, None, KEYS, "")).endswith(f"  {shown}")


def test_it_shows_how_long_the_disk_has_room(seconds: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemorySink, "free_bytes", 8_000_000)
    monkeypatch.setattr(MemorySink, "expected_bits_per_second", 16_000)
    assert line(seconds).endswith("  disk: 1:06:40 left")
    first_us = seconds.run.counts[0].first_us or 0
    push(seconds.track, picture(first_us + 32_000_000 - 33_333))  # from now on at the rate so far: 32 bytes in 32 s
    seconds.stage.run_until(lambda: seconds.run.counts[0].frames == 32)
    assert line(seconds).endswith("  disk: 92 d left")
    seconds.recorder.stop()
    seconds.finish()


def progress(**members: object) -> Progress:
    return Progress((), (), 72.0, 12_345_678)._replace(**members)  # type: ignore[arg-type]


def test_it_says_what_a_series_waits_for_and_which_file_it_writes() -> None:
    def shown(one: Progress) -> str:
        return plain(status_items(one, None, KEYS, "kill -USR1 4711"))

    assert shown(progress(armed=True)).startswith("p pause  q stop  ○ armed  trigger: kill -USR1 4711")
    assert shown(progress(armed=True, files=2)).startswith("p pause  q stop  ○ armed  2 saved  trigger: ")
    assert shown(progress(files=3)).startswith("p pause  q stop  ● recording 1:12  file 3  trigger: kill -USR1 4711")
    assert shown(progress(files=3, armed=True, paused=True)).startswith("p pause  q stop  ‖ paused")


FULL = progress(files=12, dropped=34, damaged=5, disk_s=40_000)


@pytest.mark.parametrize("columns", range(34, 140))
def test_a_line_that_is_too_long_drops_whole_items(columns: int) -> None:
    everything = status_items(FULL, MeterReading(0.5, 1.0), KEYS, "")
    shown = fitting(everything, columns)
    assert len(plain(shown)) <= columns
    assert plain(shown).startswith("p pause  q stop  ● recording 1:12")
    assert [one for one in everything if one in shown] == shown
    dropped = [one.rank for one in everything if one not in shown]
    assert max((one.rank for one in shown), default=0) <= min(dropped, default=9)


def test_80_columns_hold_the_line_of_a_usual_recording() -> None:
    items = status_items(progress(disk_s=80_000), MeterReading(0.1, 0.5), KEYS, "")
    assert fitting(items, 79) == items


@pytest.mark.parametrize(
    ("seconds_", "text"), [(0, "0:00"), (59.9, "0:59"), (3599, "59:59"), (3600, "1:00:00"), (90061, "25:01:01")]
)
def test_durations(seconds_: float, text: str) -> None:
    assert duration_text(seconds_) == text


@pytest.mark.parametrize(("seconds_", "text"), [(0.034, "0.03 s"), (10.0, "10.0 s"), (119.9, "119.9 s"), (120, "2:00")])
def test_durations_in_a_sentence(seconds_: float, text: str) -> None:
    assert long_text(seconds_) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (14_990, "15 kB"),
        (166_400, "166 kB"),
        (999_600, "1 MB"),
        (123e10, "1230 GB"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    assert size_text(size) == text


def test_a_line_that_has_not_changed_is_not_drawn_again(capsys: pytest.CaptureFixture[str]) -> None:
    voice = Voice(Shared())
    for text in ("one", "one", "two"):
        voice.show_status(text, len(text))
    voice.info("said")
    voice.show_status("two", 3)
    voice.show_status("", 0)
    voice.show_status("", 0)
    drawn = capsys.readouterr().err
    assert (drawn.count("one"), drawn.count("two")) == (1, 2)  # and once more below what was said


@pytest.mark.parametrize(
    ("levels", "shown"),
    [
        (Levels(-23.4, -20.0, -24.06, -3.25, 0.7), "M -23 I -24.1 TP -3.2"),
        (Levels(true_peak=-80.0, peak=0.0001), "TP -80.0"),
        (Levels(), ""),
        (None, ""),
    ],
)
def test_it_shows_the_loudness(seconds: Recording, levels: Levels | None, shown: str) -> None:
    seconds.run.counts[0].levels = levels
    assert line(seconds) == f"p pause  q stop  ● recording 0:03  31 B  10.2 fps{f'  {shown}' if shown else ''}"
    seconds.recorder.stop()
    seconds.finish()

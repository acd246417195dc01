"""Jumps ahead in the times of an input with sound are taken out, and both streams stay in step."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mscli.core.frames import AudioData, Media, VideoFrame
from mscli.sources.streams import MOST_GAP_US, Jumps

HOUR_US = 3_600_000_000


def picture(at_us: int, duration: int | None = 40_000) -> VideoFrame:
    return VideoFrame("GREY", 1, 1, at_us, (memoryview(b"\0"),), (1,), duration)


def block(at_us: int) -> AudioData:
    return AudioData("u8", 48_000, 960, 1, at_us, memoryview(bytes(960)))


def placed(*media: Media) -> list[int]:
    jumps = Jumps()
    return [jumps.place("audio" if isinstance(one, AudioData) else "video", one).timestamp for one in media]


def test_a_gap_of_ten_minutes_is_kept() -> None:
    assert placed(block(0), picture(MOST_GAP_US), block(MOST_GAP_US)) == [0, MOST_GAP_US, MOST_GAP_US]


def test_sound_that_jumps_alone_goes_on_where_the_picture_is() -> None:
    assert placed(picture(0), block(0), picture(40_000), block(48 * HOUR_US), picture(80_000)) == [0, 0, 40_000, 60_000, 80_000]


def test_streams_that_jump_together_stay_in_step() -> None:
    later = 7 * HOUR_US
    times = placed(picture(0), block(0), picture(later), picture(later + 40_000), block(later + 10_000))
    assert times[3] - times[2] == 40_000
    assert times[4] - times[2] == 10_000
    assert times[2] == 40_000


def test_a_picture_before_a_jump_does_not_last_until_after_it() -> None:
    assert Jumps().place("video", picture(0, 7 * HOUR_US)).duration is None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 100 * HOUR_US)), min_size=1, max_size=40))
def test_no_gap_is_longer_than_the_longest(steps: list[tuple[bool, int]]) -> None:
    times = placed(*(block(at_us) if sound else picture(at_us) for sound, at_us in steps))
    latest = times[0]
    for at_us in times:
        assert at_us - latest <= MOST_GAP_US + 40_000
        latest = max(latest, at_us)

"""Several microphones as one track: amplified, added up, in step, and whole although one of them stalls."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

import mscli
from mscli.api.mixing import mix_tracks
from mscli.cli.paramtypes import GainType
from mscli.core.clock import now_us
from mscli.core.eventloop import EventLoop
from mscli.core.frames import AudioData
from mscli.core.limits import MIX_LATE_US
from mscli.media.gain import amplified, summed
from mscli.media.mixing import Mix
from tests.unit.stage import TIMEOUT_S
from tests.untyped import untyped

RATE = 8_000
BLOCK = RATE // 50
SECOND = 1_000_000
T0 = 5 * SECOND
SILENT = AudioData("s16", RATE, 1, 1, 0, memoryview(bytes(2)))


def block(
    level: int, number: int, at_us: int | None = None, samples: int = BLOCK, form: str = "s16", code: str = "h"
) -> AudioData:
    """Block ``number`` of a constant level."""
    data = memoryview(array(code, [level] * samples)).cast("B")
    timestamp = T0 + number * BLOCK * SECOND // RATE if at_us is None else at_us
    return AudioData(form, RATE, samples, 1, timestamp, data, number * BLOCK)


def values(sound: list[AudioData]) -> list[int]:
    return [value for one in sound for value in array("h", bytes(one.data))]


@pytest.mark.parametrize(
    ("form", "code", "given", "wanted"),
    [("s16", "h", 1000, 2000), ("s16", "h", -20000, -32768), ("s32", "i", 1 << 20, 1 << 21),
     ("s32", "i", 3 << 29, (1 << 31) - 1), ("u8", "B", 138, 148), ("u8", "B", 250, 255)],
)  # fmt: skip
def test_sound_is_amplified_and_clipped(form: str, code: str, given: int, wanted: int) -> None:
    assert set(array(code, bytes(amplified(block(given, 0, form=form, code=code), 2).data))) == {wanted}


def test_floating_point_numbers_are_not_clipped() -> None:
    sound = AudioData("f32", RATE, 2, 1, 0, memoryview(array("f", [0.75, -0.5])).cast("B"))
    assert list(array("f", bytes(amplified(sound, 2).data))) == [1.5, -1.0]


def test_parts_are_added_at_their_places() -> None:
    shape = AudioData("s16", RATE, 6, 1, 0, memoryview(b""), 10)
    parts = [block(100, 0, samples=6), block(20, 0, samples=2), block(30000, 0, samples=1), block(30000, 0, samples=1)]
    placed = [replace(part, sequence=at) for part, at in zip(parts, (10, 12, 15, 15), strict=True)]
    assert list(array("h", bytes(summed(shape, placed).data))) == [100, 100, 120, 120, 100, 32767]


def taken(mix: Mix, at_us: int) -> list[AudioData]:
    found = []
    while (one := mix.take(at_us)) is not None:
        found.append(one)
    return found


def test_inputs_are_added_where_they_were_captured() -> None:
    mix = Mix(2, SILENT)
    for number in range(10):
        mix.put(0, block(100, number))
    assert taken(mix, T0) == []  # the other one is waited for
    for number in range(5, 10):
        mix.put(1, block(7, number - 5, at_us=T0 + number * BLOCK * SECOND // RATE))
    found = taken(mix, T0)
    assert values(found) == [100] * 5 * BLOCK + [107] * 5 * BLOCK
    assert (found[0].timestamp, found[0].sequence) == (T0, 0)


def test_an_input_that_stalls_is_waited_for_only_so_long() -> None:
    mix = Mix(2, SILENT)
    mix.put(1, block(7, 0))
    for number in range(50):
        mix.put(0, block(100, number))
    assert len(values(taken(mix, T0 + SECOND))) == (SECOND - MIX_LATE_US) * RATE // SECOND
    mix.put(1, block(7, 40, at_us=T0 + 40 * BLOCK * SECOND // RATE))  # it is back
    mix.inputs[1].over = True
    rest = values(taken(mix, T0 + SECOND))
    first = (SECOND - MIX_LATE_US) * RATE // SECOND
    assert rest[40 * BLOCK - first : 41 * BLOCK - first] == [107] * BLOCK
    assert set(rest[: 40 * BLOCK - first] + rest[41 * BLOCK - first :]) == {100}


def test_nothing_is_made_up_if_all_inputs_stall() -> None:
    mix = Mix(2, SILENT)
    mix.put(0, block(1, 0))
    mix.put(1, block(1, 0))
    assert len(values(taken(mix, T0 + 100 * SECOND))) == BLOCK


def test_an_input_that_drifts_stays_in_step() -> None:
    """Both click together every 10 s. The clock of one is 400 ppm fast: after 2 minutes it is 48 ms off, uncorrected."""
    mix, found, dice = Mix(2, SILENT), array("h"), Random(1)
    seconds, every, fast = 120, 10, 1.0004
    for number in range(seconds * 50):
        for index, speed in enumerate((1.0, fast)):
            first, last = (round(RATE * speed * n / 50) for n in (number, number + 1))
            data = array("h", bytes(2 * (last - first)))
            click = round(RATE * speed * every * (number // (50 * every)))
            if first <= click < last and number:
                data[click - first] = 20_000 if index else 10_000
            late_us = dice.randrange(2_000)  # as blocks of a busy machine are stamped
            at_us = T0 + number * SECOND // 50 + late_us
            sound = AudioData("s16", RATE, last - first, 1, at_us, memoryview(data).cast("B"), first)
            mix.put(index, sound)
        for one in taken(mix, T0):
            found.frombytes(one.data)
    last = RATE * every * (seconds // every - 1)
    near = found[last - RATE // 2 : last + RATE // 2]
    places = sorted(range(len(near)), key=lambda at: -abs(near[at]))
    loudest = places[0]
    other = next(at for at in places if abs(at - loudest) > 3 or abs(near[at]) > 25_000)
    assert abs(loudest - other) / RATE <= 0.005


def test_mixing_needs_live_tracks_of_sound() -> None:
    for wrong in ([], ["sound"], [mscli.VideoTrackGenerator().track]):
        with pytest.raises(TypeError, match="tracks of sound"):
            mix_tracks(untyped(wrong))
    with pytest.raises(mscli.NotSupportedError, match="without a pace"):
        mix_tracks([mscli.AudioTrackGenerator(paced=True).track])


@pytest.fixture
def generators() -> Iterator[list[mscli.AudioTrackGenerator]]:
    found = [mscli.AudioTrackGenerator(), mscli.AudioTrackGenerator()]
    yield found
    for one in found:
        one.track.stop()


def test_a_mixed_track_ends_with_its_tracks_and_ends_them(generators: list[mscli.AudioTrackGenerator]) -> None:
    track = mix_tracks([one.track for one in generators])
    loop = EventLoop()
    track.open_queue(loop)
    begin_us = now_us()
    for number in range(5):
        for level, one in enumerate(generators, start=1):
            one.writable.write(block(level, number, at_us=begin_us + number * BLOCK * SECOND // RATE))
    for one in generators:
        one.writable.close()
    found: list[int] = []
    while (got := loop.take(TIMEOUT_S)) is not None:
        assert isinstance(got.frame, AudioData)
        assert got.frame.sample_rate == 48_000
        found += values([got.frame])
        if len(found) > 4000:
            break
    assert found[2000] == 3
    assert track.label == "audio of a program + audio of a program"
    track.stop()
    assert [one.track.ready_state for one in generators] == ["ended", "ended"]


@pytest.mark.parametrize(("text", "wanted"), [("3", ("", 3.0)), ("USB=-6.5", ("USB", -6.5)), ("a=b=0", ("a=b", 0.0))])
def test_a_gain_is_of_all_or_of_one(text: str, wanted: tuple[str, float]) -> None:
    assert GainType().read(text) == wanted


@pytest.mark.parametrize("text", ["", "loud", "61", "USB=", "nan"])
def test_other_gains_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a gain from -60 to 60 dB"):
        GainType().read(text)

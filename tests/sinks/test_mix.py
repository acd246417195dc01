"""Fewer channels out of more: by the loudspeakers that they stand for, or by their places."""

from __future__ import annotations

from array import array

import pytest

from mscli.core.frames import AudioData
from mscli.media.downmix import Mixer


@pytest.mark.parametrize(
    ("given", "layout", "wanted"),
    [
        ([12000, 0], "", [6000]),
        ([0, 12000], "", [6000]),  # a microphone on the right input is heard
        ([0, 0, 0, 0, 0, 6000], "", [1000]),
        ([1000, 2000, 3000, 4000], "", [1000, 2000]),
        ([1000, 2000, 3000, 4000], "", [1000, 2000, 3000]),
        ([0, 0, 10000, 10000, 0, 0], "5.1", [2929, 2929]),  # the centre goes to both sides, low frequencies to none
        ([1000, 2000], "", [1000, 2000]),
    ],
)
@pytest.mark.parametrize("form", ["s16", "s32"])
def test_channels_are_mixed(given: list[int], layout: str, wanted: list[int], form: str) -> None:
    typecode, scale = {"s16": ("h", 1), "s32": ("i", 65536)}[form]
    data = memoryview(array(typecode, [value * scale for value in given] * 480)).cast("B")
    mixer = Mixer(len(wanted))
    for sequence in (0, 480, 4800):  # samples may be lost in between
        block = AudioData(form, 48_000, 480, len(given), 1_000_000, data, sequence, layout=layout)
        mixed = mixer.mix(block)
        assert (mixed.timestamp, mixed.sequence, mixed.number_of_frames) == (1_000_000, sequence, 480)
        assert mixed.number_of_channels == len(wanted)
        samples = array(typecode, bytes(mixed.data))
        assert [round(value / scale) for value in samples[: len(wanted)]] == pytest.approx(wanted, abs=1)
        assert len(samples) == 480 * len(wanted)


def test_blocks_may_change_their_shape() -> None:
    mixer = Mixer(1)
    for rate, channels in ((48_000, 2), (44_100, 2), (44_100, 4), (48_000, 2)):
        data = memoryview(array("h", [100] * channels * 480)).cast("B")
        mixed = mixer.mix(AudioData("s16", rate, 480, channels, 1_000_000, data, 0))
        assert (mixed.sample_rate, mixed.number_of_channels) == (rate, 1)
        assert list(array("h", bytes(mixed.data))) == pytest.approx([100] * 480, abs=1)

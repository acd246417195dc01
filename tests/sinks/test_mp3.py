"""MP3: players leave out the encoder's delay, however the file ended."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from mscli.encode.headers import with_delay
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import SINKS, load_sink
from tests.sinks.synth import feed, tone

FRAME = 1152  # samples
SAMPLES = 48_000


def recorded(target: str | io.BytesIO, *, title: str = "") -> bytes:
    """Record a second of a tone. Return what a pipe has before the end."""
    sink = load_sink(SINKS["mp3"], target, SinkOptions(tags={"title": title} if title else {}))
    sink.open([TrackFormat("audio")])
    feed(sink, [(0, tone(at, 1920)) for at in range(0, SAMPLES, 1920)])
    early = b"" if isinstance(target, str) else target.getvalue()
    sink.close()
    return early


def heard_in(data: bytes) -> npt.NDArray[np.float32]:
    """Return the samples that a player plays."""
    with av.open(io.BytesIO(data), "r") as file:
        return np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])


def test_a_pipe_has_the_samples_of_the_file_and_less_than_a_frame_of_silence_more(tmp_path: Path) -> None:
    path, pipe = tmp_path / "a.mp3", io.BytesIO()
    recorded(str(path))
    recorded(pipe)
    file, piped = heard_in(path.read_bytes()), heard_in(pipe.getvalue())
    assert len(file) == SAMPLES
    assert SAMPLES <= len(piped) < SAMPLES + FRAME
    settled = SAMPLES - FRAME  # the last frames overlap the silence
    assert np.array_equal(file[:settled], piped[:settled])
    assert np.abs(piped[SAMPLES:]).max(initial=0) < 0.01


def test_a_recording_that_is_cut_off_begins_with_its_first_sample(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    recorded(str(path))
    file, rest = heard_in(path.read_bytes()), heard_in(recorded(io.BytesIO()))
    settled = len(rest) - 2 * FRAME
    assert settled > SAMPLES // 2
    assert np.array_equal(file[:settled], rest[:settled])


@pytest.mark.parametrize("title", ["Xing", "x" * 5000])
def test_a_title_does_not_hide_the_first_frame(title: str) -> None:
    pipe = io.BytesIO()
    recorded(pipe, title=title)
    assert SAMPLES <= len(heard_in(pipe.getvalue())) < SAMPLES + FRAME


@pytest.mark.parametrize("head", [b"", b"ID3", b"Xing\0\0\0\x0f" + bytes(135)])
def test_bytes_without_a_whole_first_frame_stay(head: bytes) -> None:
    assert with_delay(head) == head

"""A long day of packets in every container, as fast as it goes: each keeps its time, picture and sound stay in step, and so do
memory, descriptors and threads.

Each track has ``PACKETS`` packets, spread over thirty hours. They are those of the real encoders, again and again, because to
encode a day would take hours. ``MSCLI_DAY_PACKETS=2592000`` has as many as a camera gives in a day, and takes long.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest

from mscli.core.clock import MICROSECONDS
from mscli.core.frames import AudioData, EncodedAudioChunk
from mscli.encode.chunks import Piece
from mscli.encode.codecs import CONTAINERS, Container, audio_codec
from mscli.encode.encoding import EncodedTrack, Encoding, Outlet
from mscli.encode.options import COPY, SinkOptions, TrackFormat
from mscli.sinks.files.output import GATHER_BYTES, NamedFile
from mscli.sinks.recording import onefile
from mscli.sinks.recording.onefile import OneFile
from tests.conftest import require
from tests.heap import HEAP_TELLS, heap_bytes
from tests.sinks.serial import series
from tests.sinks.synth import T0, NoFile, jpeg, picture, tone

PACKETS = int(os.environ.get("MSCLI_DAY_PACKETS", "86400" if os.environ.get("CI") == "true" else "20000"))
DAY_US = 30 * 3600 * MICROSECONDS
KEYS = 60  # pictures from one key frame to the next
LOW_RATE = 100  # samples a second of sound that is not compressed, so that a day of it is no gigabyte
EXACT_S = 0.001  # Matroska tells milliseconds
START_S = 0.05  # by which sound may begin earlier, because of its encoder's delay
FILES = 20  # so that each look comes at the end of one
INDEX_BYTES = {"mp4": 120, "mov": 120, "m4a": 120}  # of memory for a packet that is a fragment of its own
NO_INDEX_BYTES = 10
TIMED = ("mp4", "mov", "m4a", "mkv", "webm")  # whose packets have times
SAMPLED = ("wav", "flac")  # whose samples follow each other, all of the day
ALLOWED_BYTES = 3 * GATHER_BYTES  # what waits to be written differs from look to look
ALLOWED_OBJECTS = 6000  # with the place of each of these packets
pytestmark = [
    pytest.mark.timeout(300 + PACKETS // 100),
    pytest.mark.skipif(not HEAP_TELLS, reason="only glibc tells how much memory is in use"),
]


class Noted(NoFile):
    """Keep the tracks of an encoding, and the pieces of each."""

    shares_sound = True

    def __init__(self, takes: Container) -> None:
        self.takes = takes
        self.tracks: Sequence[EncodedTrack] = ()
        self.pieces: dict[int, list[Piece]] = {}

    def begin(self, tracks: Sequence[EncodedTrack], origin_us: int) -> None:
        self.tracks = tracks

    def put(self, track: int, piece: Piece) -> None:
        self.pieces.setdefault(track, []).append(piece)


def encoded(container: Container) -> tuple[Encoding, Noted]:
    """Encode a second of each track that the container holds, in its usual codecs."""
    noted, options = Noted(container), SinkOptions()
    lossy = audio_codec(container, options).lossy
    kinds = [*(["video"] if container.video else []), "audio"]
    encoding = Encoding([TrackFormat(kind, {"frameRate": 25.0}) for kind in kinds], container, options)
    encoding.add(Outlet("noted", noted, options))
    for number in range(25):
        if container.video:
            encoding.write(0, picture(at_us=T0 + number * 40_000, sequence=number))
        encoding.write(len(kinds) - 1, tone(number * 1920, 1920) if lossy else low(number * 20, 20))
    return encoding, noted


def low(start: int, samples: int) -> AudioData:
    """Silence with few samples."""
    data = memoryview(bytes(2 * samples))
    return AudioData("s16", LOW_RATE, samples, 1, T0 + start * MICROSECONDS // LOW_RATE, data, start)


def instant_us(number: int) -> int:
    return T0 + number * DAY_US // PACKETS


def sound(number: int) -> AudioData:
    """Return the silence from one packet of the day to the next."""
    start, end = (DAY_US // MICROSECONDS * LOW_RATE * count // PACKETS for count in (number, number + 1))
    return low(start, end - start)


def again(pieces: Sequence[Piece], number: int) -> Piece:
    """Return the piece of that number in a day."""
    at_us, lasts_us = instant_us(number), DAY_US // PACKETS
    piece = pieces[0] if number % KEYS == 0 else pieces[1 + number % (len(pieces) - 1)]
    if isinstance(piece, AudioData):
        return sound(number)
    data = memoryview(bytes(piece.data))
    if isinstance(piece, EncodedAudioChunk):
        sequence = (at_us - T0) * piece.sample_rate // MICROSECONDS
        return replace(piece, timestamp=at_us, duration=lasts_us, sequence=sequence, data=data)
    return replace(piece, timestamp=at_us, duration=lasts_us, reorder_us=0, data=data)


class Held(NamedTuple):
    """What this process holds."""

    memory: int  # bytes that malloc has given
    objects: int  # blocks of Python's own allocator
    descriptors: int
    threads: int

    @classmethod
    def now(cls) -> Held:
        gc.collect()
        return cls(heap_bytes(), sys.getallocatedblocks(), len(os.listdir("/proc/self/fd")), threading.active_count())


def looks(packets: Iterable[Callable[[], object]]) -> list[Held]:
    """Make the calls. Return what is held after a tenth, 55 % and all of them."""
    found = []
    for number, put in enumerate(packets, start=1):
        put()
        if number in (PACKETS // 10, PACKETS * 11 // 20, PACKETS):
            found.append(Held.now())
    return found


def check(found: Sequence[Held], tracks: int, index_bytes: int) -> None:
    """Compare the two halves of what followed the first tenth. ``index_bytes``: how much a packet may take."""
    tenth, half, whole = found
    packets = PACKETS * 9 // 20 * tracks
    assert (whole.descriptors, whole.threads) == (tenth.descriptors, tenth.threads)
    grown = whole.memory - half.memory
    assert grown <= index_bytes * packets + ALLOWED_BYTES, f"{grown / packets:.1f} bytes a packet"
    assert grown <= half.memory - tenth.memory + ALLOWED_BYTES, "it grows faster and faster"
    assert whole.objects - half.objects <= ALLOWED_OBJECTS, f"{(whole.objects - half.objects) / packets:.2f} a packet"


def check_times(path: Path, kinds: Sequence[str]) -> None:
    """Compare the time of each packet, and the file's duration, with what was written."""
    found: list[list[int]] = [[] for _ in kinds]
    with av.open(str(path), "r") as file:
        assert [stream.type for stream in file.streams] == kinds
        units = [float(stream.time_base or 0) for stream in file.streams]
        assert file.duration == pytest.approx(DAY_US, abs=2 * DAY_US / PACKETS)
        for packet in file.demux():
            if packet.pts is not None:
                found[packet.stream.index].append(packet.pts)
    wanted = (np.arange(PACKETS) * DAY_US // PACKETS) / MICROSECONDS
    times = [np.array(ticks) * unit for ticks, unit in zip(found, units, strict=True)]
    for kind, of_track in zip(kinds, times, strict=True):
        assert abs(of_track[0]) < START_S
        assert of_track - of_track[0] == pytest.approx(wanted, abs=EXACT_S), kind
    apart = times[-1] - times[0]
    assert np.ptp(apart) <= 2 * EXACT_S, "picture and sound are as far from each other in the evening as in the morning"


def check_duration(path: Path) -> None:
    """Compare the duration of what has no packets with times."""
    with av.open(str(path), "r") as file:
        assert file.duration == DAY_US


def test_a_leak_of_an_object_for_each_packet_would_be_found() -> None:
    assert PACKETS * 9 // 20 > ALLOWED_OBJECTS


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_a_day_in_one_file_takes_no_more_memory_than_its_index(suffix: str, tmp_path: Path) -> None:
    check(*day_in_one_file(suffix, tmp_path), INDEX_BYTES.get(suffix, NO_INDEX_BYTES))


@pytest.mark.parametrize("suffix", INDEX_BYTES)
def test_the_index_of_a_long_file_stops_growing(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onefile, "MOST_INDEXED", 1000)
    check(*day_in_one_file(suffix, tmp_path), NO_INDEX_BYTES)


def day_in_one_file(suffix: str, tmp_path: Path) -> tuple[list[Held], int]:
    """Write the day, and check its times. Return what was held meanwhile, and the number of tracks."""
    container = CONTAINERS[suffix]
    encoding, noted = encoded(container)
    file = OneFile(container, NamedFile(str(tmp_path / f"day.{suffix}"), overwrite=False))

    def put(number: int) -> None:
        for track, pieces in noted.pieces.items():
            file.put(track, again(pieces, number))

    file.begin(noted.tracks, T0)
    found = looks(partial(put, number) for number in range(PACKETS))
    file.end()
    encoding.abort()
    if suffix in SAMPLED:
        check_duration(tmp_path / f"day.{suffix}")
    if suffix in TIMED:
        check_times(tmp_path / f"day.{suffix}", [track.kind for track in noted.tracks])
    return found, len(noted.pieces)


def test_a_day_in_several_files_takes_no_more_memory_than_one_of_them(tmp_path: Path) -> None:
    require("ffmpeg")
    options = {"video_codec": COPY, "audio_codec": "pcm"}
    sink = series(tmp_path / "day-%02d.mov", options=options, duration_s=DAY_US / MICROSECONDS / FILES)

    def put(number: int) -> None:
        sink.write(0, jpeg(at_us=instant_us(number)))
        sink.write(1, sound(number))

    found = looks(partial(put, number) for number in range(PACKETS))
    sink.close()
    check(found, 2, NO_INDEX_BYTES)
    assert len(list(tmp_path.iterdir())) == FILES

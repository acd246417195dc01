"""What a file that grows takes of memory: as much as the manual says, and no more."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from mscli.encode.codecs import CONTAINERS
from mscli.encode.ffmpeg import add_stream
from tests.conftest import demand
from tests.heap import HEAP_TELLS, heap_bytes

PACKETS = 20_000
KEYS = 60  # packets from one key frame to the next


@pytest.mark.parametrize(("suffix", "most"), [("mp4", 110), ("mov", 110), ("mkv", 10), ("webm", 10)])
def test_the_index_of_a_file_takes_so_many_bytes_for_a_packet(suffix: str, most: int, tmp_path: Path) -> None:
    demand(["" if HEAP_TELLS else "only glibc tells how much memory is in use"])
    container = CONTAINERS[suffix]
    with av.open(str(tmp_path / "x"), "w", format=container.muxer, container_options=dict(container.options)) as file:
        stream = add_stream(file, "libvpx" if suffix == "webm" else "libx264")
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 60)
        picture = av.VideoFrame(64, 48, "yuv420p")
        picture.pts, picture.time_base = 0, Fraction(1, 60)
        data = bytes([*stream.encode(picture), *stream.encode(None)][0])
        before = 0
        for number in range(2 * PACKETS):
            if number == PACKETS:
                before = heap_bytes()
            packet = av.Packet(data)
            packet.stream, packet.time_base = stream, Fraction(1, 60)
            packet.pts = packet.dts = number
            packet.duration, packet.is_keyframe = 1, number % KEYS == 0
            file.mux([packet])
        grown = (heap_bytes() - before) / PACKETS
    assert grown <= most

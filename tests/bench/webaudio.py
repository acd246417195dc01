"""An audio graph in real time: eight tracks of 48 kHz, each with a gain and a filter, mixed into a stream and compressed.

The cost is the CPU time of the thread that renders: reading the tracks, all nodes, and delivering the mix. Making the tracks'
sound is no part of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from statistics import median

import numpy as np

import mscli
from tests.bench.measure import CannotRun, Row

TRACKS, SECONDS, RATE, BLOCK = 8, 4.0, 48_000, 480
MOST_MS = 50.0  # of CPU time a second: 5 % of a core


def cpu_ms(*, compressed: bool) -> float:
    """Return the CPU time that a second of the mix takes, in ms."""
    generators = [mscli.AudioTrackGenerator() for _ in range(TRACKS)]
    with mscli.AudioContext(sink_id={"type": "none"}) as context:
        mix = context.create_media_stream_destination()
        bus: mscli.AudioNode = mscli.DynamicsCompressorNode(context) if compressed else mscli.GainNode(context)
        bus.connect(mix)
        for number, generator in enumerate(generators):
            source = context.create_media_stream_track_source(generator.track)
            quiet = source.connect(mscli.GainNode(context, gain=0.1 + number / 20))
            quiet.connect(mscli.BiquadFilterNode(context, type="highpass", frequency=80 + number)).connect(bus)
        (thread,) = [one for one in threading.enumerate() if one.name == "mscli-audio"]
        assert thread.ident is not None
        clock = time.pthread_getcpuclockid(thread.ident)
        noise = np.random.default_rng(1).integers(-8000, 8000, BLOCK).astype(np.int16)
        with mscli.MediaStreamTrackProcessor({"track": mix.stream.get_tracks()[0]}).readable as readable:
            write(generators, noise, 0.5)
            before, begun = time.clock_gettime(clock), context.current_time
            write(generators, noise, SECONDS)
            took, lasted = time.clock_gettime(clock) - before, context.current_time - begun
            if not np.asarray(readable.read()).any():
                raise CannotRun("the mix is silent")
    for generator in generators:
        generator.track.stop()
    return took / lasted * 1000


def write(generators: list[mscli.AudioTrackGenerator], noise: np.typing.NDArray[np.int16], seconds: float) -> None:
    """Write blocks to all tracks at their pace."""
    begin = time.monotonic()
    for number in range(round(seconds * RATE / BLOCK)):
        time.sleep(max(0.0, begin + (number + 1) * BLOCK / RATE - time.monotonic()))
        for generator in generators:
            generator.writable.write(mscli.AudioData.from_ndarray(noise, RATE))


def rows(runs: int) -> Iterator[Row]:
    plain, compressed = (median(cpu_ms(compressed=one) for _ in range(min(runs, 3))) for one in (False, True))
    yield Row(f"a second of {TRACKS} tracks, filtered", plain, "5 % of a core", MOST_MS, 1.0)
    yield Row("the same, compressed", compressed, "without", plain)

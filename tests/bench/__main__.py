"""python -m tests.bench [--runs N] [GROUP]...: what mscli costs, beside a peer or a floor, in one run.

    startup    --version, --help, no command   python -c pass
    devices    devices --json; --watch, idle   ffmpeg -version; a tick of the clock
    snapshot   1080p pictures; bursts; series  ffmpeg's testsrc2, its -c copy
    copy       a second of MJPEG, 1080p30      ffmpeg -c copy; a hundredth of a core
    capture    raw frames; memory of long runs ffmpeg's testsrc2; a short run
    negotiate  SelectSettings on 10,000 modes  50 ms; half as many modes
    scale      1080p to 720p                   ffmpeg's scale filter
    encode     1080p by x264; two outputs      ffmpeg, and its tee, on the same frames
    frames     arrays of 1080p; a canvas       PyAV, by hand
    paced      memory, 10,000 paced frames     a tenth of them
    files      a film to raw, copied; a pipe   ffmpeg; cat
    screen     1080p that moves, and is still  ffmpeg's x11grab
    network    how late pictures of RTSP come  ffmpeg without its buffer
    publish    a second of RTMP, 720p30        the file alone; ffmpeg -f flv
    preview    a ring, a terminal, a window    a copy; a tenth of a core; no preview
    sound      32 channels; a mix; levels      parec; a core
    webaudio   a mix of eight tracks, filtered a second of one core
    way        a frame's calls and files       those before outputs were composed

Costs are CPU time of the whole process (user and system), which a busy machine disturbs little, where nothing else is said;
medians of runs in turns.
It is a benchmark, not a test: nothing fails.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

from tests.bench import (
    capture,
    copy,
    devices,
    encode,
    files,
    frames,
    negotiate,
    network,
    paced,
    preview,
    publish,
    scale,
    screen,
    snapshot,
    sound,
    startup,
    way,
    webaudio,
)
from tests.bench.measure import CannotRun, Row

GROUPS: dict[str, Callable[[int], Iterator[Row]]] = {
    "startup": startup.rows,
    "devices": devices.rows,
    "snapshot": snapshot.rows,
    "copy": copy.rows,
    "capture": capture.rows,
    "negotiate": negotiate.rows,
    "scale": scale.rows,
    "encode": encode.rows,
    "frames": frames.rows,
    "paced": paced.rows,
    "files": files.rows,
    "screen": screen.rows,
    "network": network.rows,
    "publish": publish.rows,
    "preview": preview.rows,
    "sound": sound.rows,
    "webaudio": webaudio.rows,
    "way": way.rows,
}
LINE = "{:<40} {:>9} {:<20} {:>9} {:>7} {:>7}  {}"


def line(row: Row) -> str:
    """A row of the table."""
    verdict = "" if row.target is None else "reached" if row.ratio <= row.target else "NOT REACHED"
    target = "" if row.target is None else f"≤ {row.target:g}"
    ours, theirs = (f"{value:.2f}" if value < 10 else f"{value:.0f}" for value in (row.ours, row.theirs))
    return LINE.format(row.what, f"{ours} {row.unit}", row.against, f"{theirs} {row.unit}", f"{row.ratio:.2f}", target, verdict)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="What mscli costs, beside a peer or a floor.")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}; default: all")
    parser.add_argument("--runs", type=int, default=9, help="of each command, of which the median counts (default: 9)")
    asked = parser.parse_args()
    print(LINE.format("what", "cost", "against", "cost", "ratio", "target", "").rstrip())
    for name in asked.groups or GROUPS:
        try:
            for row in GROUPS[name](asked.runs):
                print(line(row).rstrip(), flush=True)
        except CannotRun as problem:
            print(f"{name}: {problem}")


if __name__ == "__main__":
    main()

"""Recordings in a real browser: played, sought to the very picture, heard, and appended to a SourceBuffer piece by piece.

https://www.w3.org/TR/media-source-2/. Every container and codec that Chromium plays, as a finished file, with its index in
front, as a blob, from a pipe, and as a recorder leaves it that is killed.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from time import sleep
from typing import Any, NamedTuple

import av
import pytest

from mscli.api.recording import Slices
from mscli.core.frames import Media
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import SINKS, load_sink, spell_mime
from mscli.sinks.base import Sink
from tests.conftest import require
from tests.sinks.synth import T0, feed, picture, tone

TIMEOUT_S = 300.0
FRAMES, FRAME_US = 50, 40_000
SECONDS = FRAMES * FRAME_US / 1e6
SIZE = (64, 48)
HERTZ = 50
SOUGHT = (3, 17, 10)  # pictures
FRONT = ("mp4", "mov", "m4a")  # whose index can be put in front


class Held(NamedTuple):
    """A container and the codecs in it. Without ``video`` it holds only sound."""

    suffix: str
    video: str
    audio: str

    @property
    def options(self) -> SinkOptions:
        """Return the options that choose the codecs."""
        return SinkOptions(video_codec=self.video, audio_codec=self.audio)

    @property
    def tracks(self) -> list[TrackFormat]:
        """Return the tracks."""
        camera = TrackFormat("video", {"frameRate": 25.0, "width": SIZE[0], "height": SIZE[1]})
        return [*([camera] if self.video else []), TrackFormat("audio")]

    @property
    def ways(self) -> Sequence[str]:
        """Return the ways in which a recording of it is left."""
        return ("finished", "blob", "piped", "killed", *(["front"] if self.suffix in FRONT else []))

    def name(self, left: str) -> str:
        """Return the name of the recording that is left like this."""
        return f"{'-'.join(filter(None, (self.video, self.audio, left)))}.{self.suffix}"


PICTURES = [
    Held("webm", "vp8", "opus"), Held("webm", "vp9", "opus"), Held("webm", "av1", "opus"),
    Held("mp4", "h264", "aac"), Held("mp4", "h264", "opus"), Held("mp4", "vp9", "flac"), Held("mp4", "av1", "aac"),
]  # fmt: skip
PLAYED = [Held("mov", "h264", "aac"), Held("mkv", "h264", "aac"), Held("mkv", "vp9", "flac")]  # but not appended
HEVC = Held("mp4", "hevc", "aac")
SOUNDS = [
    Held("webm", "", "opus"), Held("mp4", "", "aac"), Held("mp4", "", "opus"), Held("mp4", "", "flac"), Held("mp3", "", "mp3"),
    Held("m4a", "", "aac"), Held("wav", "", "pcm"), Held("flac", "", "flac"), Held("ogg", "", "opus"), Held("ogg", "", "flac"),
    Held("mkv", "", "opus"), Held("mkv", "", "aac"),
]  # fmt: skip
APPENDED = ("webm", "mp4", "mp3")  # https://www.w3.org/TR/mse-byte-stream-format-registry/
LATE_S = 0.001  # Matroska rounds times to milliseconds
SKIPPED_S = 312 / 48_000  # Chromium leaves this out twice of a finished MP4 with Opus, whoever wrote it
ONCE_MORE_S = 1152 / 48_000  # a piped MP3 has up to a frame more
pytestmark = pytest.mark.timeout(2 * TIMEOUT_S)


def level(index: int) -> int:
    """The grey of a picture."""
    return 20 + 4 * index


def frames(held: Held) -> list[tuple[int, Media]]:
    """Pictures that each have their own grey, with as much sound."""
    made: list[tuple[int, Media]] = []
    for index in range(FRAMES):
        grey = (level(index),) * 3
        if held.video:
            made.append((0, picture("I420", *SIZE, rgb=grey, at_us=T0 + index * FRAME_US, sequence=index)))
        made.append((len(held.tracks) - 1, tone(index * 1920, 1920, hz=HERTZ)))
    return made


def begun(folder: Path, held: Held, left: str, target: Any = None) -> Sink:
    """Return a sink that has taken all frames."""
    options = held.options._replace(faststart=left == "front")
    sink = load_sink(SINKS[held.suffix], target or str(folder / held.name(left)), options)
    sink.open(held.tracks)
    feed(sink, frames(held))
    return sink


def complete(folder: Path, held: Held, left: str) -> bytes:
    """Return the bytes of a recording that ended."""
    if left == "blob":
        blob = Slices(whole=True)
        begun(folder, held, left, blob).close()
        blob.cut(last=True)
        return blob.take().data
    pipe = io.BytesIO() if left == "piped" else None
    begun(folder, held, left, pipe).close()
    return (folder / held.name(left)).read_bytes() if pipe is None else pipe.getvalue()


def killed(folder: Path, all_held: Sequence[Held]) -> list[bytes]:
    """Return what the system has of recordings that go on."""
    sinks = [begun(folder, held, "killed") for held in all_held]
    paths = [folder / held.name("killed") for held in all_held]
    sizes: list[int] = []
    while sizes != (sizes := [path.stat().st_size for path in paths]):  # writes are gathered for half a second
        sleep(1)
    found = [path.read_bytes() for path in paths]
    for sink in sinks:
        sink.abort()
    return found


def recordings(folder: Path) -> dict[str, tuple[Held, str, bytes]]:
    """Return all recordings by name, each with how it is left."""
    all_held = [*PICTURES, *PLAYED, HEVC, *SOUNDS]
    torn = dict(zip(all_held, killed(folder, all_held), strict=True))
    return {
        held.name(left): (held, left, torn[held] if left == "killed" else complete(folder, held, left))
        for held in all_held
        for left in held.ways
    }


def mime_type(held: Held) -> str:
    """Return how the type is spelled."""
    return spell_mime(SINKS[held.suffix], "", held.options, held.tracks)


def is_appended(held: Held, left: str) -> bool:
    """Return whether it can be appended to a SourceBuffer. An MP4 is, if it has fragments."""
    return held.suffix in APPENDED and (held.suffix != "mp4" or left in ("piped", "killed"))


def plays(held: Held, left: str) -> bool:
    """Return whether the browser can seek in it. In Matroska it only finds its way back by the index at the end."""
    return not (held.suffix == "mkv" and held.video and left in ("piped", "killed"))


class Server(ThreadingHTTPServer):
    """Hands out the page and the files, and takes the results."""

    daemon_threads = True

    def __init__(self, made: dict[str, tuple[Held, str, bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        sought = {"times": [(index + 0.5) * FRAME_US / 1e6 for index in SOUGHT], "levels": [level(index) for index in SOUGHT]}
        listed = [
            {
                "name": name,
                "type": mime_type(held),
                "element": "video" if held.video else "audio",
                "hertz": 0 if held.video else HERTZ,
                "appended": is_appended(held, left),
                "perhaps": held == HEVC,  # Chromium decodes it with hardware only
                **sought,
            }
            for name, (held, left, _) in made.items()
            if plays(held, left)
        ]
        self.pages = {name: data for name, (_, _, data) in made.items()}
        self.pages |= {"list": json.dumps(listed).encode(), "": (Path(__file__).parent / "browser.html").read_bytes()}
        self.results: dict[str, Any] = {}
        self.done = Event()


class Handler(BaseHTTPRequestHandler):
    """Answers the page."""

    server: Server

    def do_GET(self) -> None:
        """Send a page or a file."""
        data = self.server.pages.get(self.path.lstrip("/"))
        self.send_response(404 if data is None else 200)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def do_POST(self) -> None:
        """Take the results."""
        self.server.results = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        self.server.done.set()

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def chromium(address: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Open a page in Chromium, without a window."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--mute-audio", "--no-first-run", f"--user-data-dir={folder}"]
    environment = os.environ | {"HOME": str(folder)}
    nowhere = subprocess.DEVNULL
    browser = subprocess.Popen(
        ["chromium", *flags, address], env=environment, stdout=nowhere, stderr=nowhere, start_new_session=True
    )
    try:
        yield browser
    finally:
        browser.terminate()
        browser.wait(TIMEOUT_S)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Chromium makes of all recordings."""
    require("chromium")
    folder = tmp_path_factory.mktemp("browser")
    server = Server(recordings(folder))
    serving = Thread(target=partial(server.serve_forever, poll_interval=0.05), name="test-browser", daemon=True)
    serving.start()
    try:
        with chromium(f"http://127.0.0.1:{server.server_port}/", folder / "profile"):
            assert server.done.wait(TIMEOUT_S), "the browser does not answer"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
    return server.results


def ways(all_held: Sequence[Held]) -> pytest.MarkDecorator:
    """Run a test with each recording of these."""
    rows = [(held, left) for held in all_held for left in held.ways if plays(held, left)]
    return pytest.mark.parametrize(("held", "left"), rows, ids=[held.name(left) for held, left in rows])


@ways([*PICTURES, *PLAYED])
def test_a_browser_shows_the_very_picture(results: dict[str, Any], held: Held, left: str) -> None:
    found = results[held.name(left)]
    wanted = [pytest.approx(level(index), abs=1.9) for index in SOUGHT]  # the next one differs by 4
    assert found["played"].get("levels") == wanted, found["played"]
    if left in ("finished", "blob", "front"):
        assert found["played"]["duration"] == pytest.approx(SECONDS, abs=0.06)
    if found["appended"] is not None:
        assert found["appended"].get("levels") == wanted, found["appended"]


@ways(SOUNDS)
def test_a_browser_hears_each_sample_at_its_time(results: dict[str, Any], held: Held, left: str) -> None:
    found = results[held.name(left)]
    heard = found["heard"]
    assert heard.get("loud") == pytest.approx(12_000 / 32_768, rel=0.1), heard
    twice = SKIPPED_S if (held.suffix, held.audio) == ("mp4", "opus") and left not in ("piped", "killed") else 0
    assert heard["late"] == pytest.approx(-twice, abs=LATE_S)
    if left != "killed":
        assert SECONDS - LATE_S <= heard["seconds"] <= SECONDS + ONCE_MORE_S
    if left in ("finished", "blob", "front"):
        assert found["played"].get("duration") == pytest.approx(SECONDS, abs=0.03), found["played"]
    if found["appended"] is not None:
        assert found["appended"].get("duration", 0) > SECONDS / 2, found["appended"]


@pytest.mark.parametrize("held", [*PICTURES, *PLAYED, *SOUNDS], ids=lambda held: held.name("type"))
def test_a_browser_knows_the_type_as_it_is_spelled(results: dict[str, Any], held: Held) -> None:
    found = results[held.name("finished")]
    assert found["supported"] is (held.suffix in APPENDED)
    assert (found["plays"] == "probably") is (held.suffix != "mov"), "Chromium plays QuickTime, but names no type for it"


@ways([HEVC])
def test_hevc_is_shown_by_a_browser_that_can_decode_it_and_by_ffmpeg(
    results: dict[str, Any], held: Held, left: str, tmp_path: Path
) -> None:
    found = results[held.name(left)]
    wanted = [pytest.approx(level(index), abs=1.9) for index in SOUGHT]
    if found["supported"]:
        assert found["played"].get("levels") == wanted
    data = killed(tmp_path, [held])[0] if left == "killed" else complete(tmp_path, held, left)
    with av.open(io.BytesIO(data), "r") as file:
        assert file.streams.video[0].codec_context.codec_tag == "hvc1"
        shown = {frame.time: bytes(frame.reformat(format="gray").planes[0])[0] for frame in file.decode(video=0)}
    assert [shown[index * FRAME_US / 1e6] for index in SOUGHT] == wanted

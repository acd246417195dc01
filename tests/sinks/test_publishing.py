"""Recordings that are published to real servers on loopback, lost and found again, and servers that misbehave."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mscli.core import limits
from mscli.core.errors import ArgumentError, DOMException, NotAllowedError, NotSupportedError, OperationError, SecurityError
from mscli.core.frames import EncodedVideoChunk
from mscli.encode.codecs import CONTAINERS
from mscli.encode.encoding import Encoding, Outlet
from mscli.encode.options import COPY, LinkOptions, SinkOptions, TrackFormat
from mscli.sinks import SERVERS, SINKS, SinkPlan, address_row, check_tracks, load_sink, load_sinks, own_options, sink_row
from mscli.sinks.files.output import NamedFile
from mscli.sinks.recording.network import publisher
from mscli.sinks.recording.network.congestion import LEAST_SHARE, Congestion, usual_pause_s
from mscli.sinks.recording.network.destination import protocol_of
from mscli.sinks.recording.network.protocols import PROTOCOLS
from mscli.sinks.recording.network.publish_child import MOST_BYTES
from mscli.sinks.recording.network.publisher import INTERRUPTED, PUBLISHING, RESUMED, Publisher
from mscli.sinks.recording.onefile import OneFile
from tests.backends.servers import LOGIN, PASSWORD, USER, Tcp, certificate, free_port, nginx, rtsp
from tests.cli.program import eventually, packets
from tests.conftest import require
from tests.sinks.receivers import Putter, Taker, icecast, rtsp_receiver, tls_listener
from tests.sinks.synth import T0, frames_for, h264, picture, probe, run, tone

PICTURES = 50  # two seconds
SECRET = "Zq9xSecret"
VIDEO, SOUND = TrackFormat("video", {"width": 64, "height": 48, "frameRate": 25.0}), TrackFormat("audio")
STEP_US = 40_000

Events = list[tuple[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int, int]]:
    """Return the folder and the ports of a server of RTMP and HTTP."""
    folder = tmp_path_factory.mktemp("nginx")
    with nginx(folder) as ports:
        assert eventually(lambda: (folder / "pid").exists())
        yield folder, *ports


class Stream:
    """A stream that is published while the test looks on, frame by frame, alone or beside a file."""

    def __init__(self, address: str, *, beside: Path | None = None, sound: bool = False, **options: Any) -> None:
        self.events: Events = []
        row = sink_row(address, "video", "audio")
        said = own_options(row, address, SinkOptions(**options))
        self.sink = Publisher(row, address, said, lambda event, detail: self.events.append((event, dict(detail))))
        self.tracks = [VIDEO] * row.video + [SOUND] * (sound or not row.video)
        self.encoding = Encoding(self.tracks, self.sink.takes, said._replace(adapts=beside is None))
        self.outlet = Outlet("server", self.sink, said)
        self.sink.prepare()
        self.encoding.add(self.outlet)
        if beside is not None:
            file = OneFile(CONTAINERS[beside.suffix[1:]], NamedFile(str(beside), overwrite=False))
            self.encoding.add(Outlet("file", file, SinkOptions(audio_codec=self.sink.takes.audio[0])))
        self.count = 0

    def feed(self, count: int = 1) -> None:
        """Encode pictures, and as much sound."""
        for _ in range(count):
            at_us = T0 + self.count * STEP_US
            for track, known in enumerate(self.tracks):
                sound = known is SOUND
                shown = picture("I420", 64, 48, at_us=at_us, sequence=self.count)
                self.encoding.write(track, tone(self.count * 1920, 1920) if sound else shown)
            self.count += 1

    def feed_until(self, condition: Callable[[], object]) -> None:
        """Go on until a condition is true."""

        def fed() -> bool:
            self.feed()
            return bool(condition())

        assert eventually(fed)

    def saw(self, event: str, times: int = 1) -> bool:
        return [name for name, _ in self.events].count(event) >= times

    def end(self) -> None:
        try:
            self.encoding.end()
        finally:
            self.encoding.abort()


def publish(address: str, count: int = PICTURES, **options: Any) -> Stream:
    """Publish two seconds. Raises what the outlet raises."""
    stream = Stream(address, sound=True, **options)
    stream.feed(count)
    stream.end()
    return stream


def failing(address: str, **options: Any) -> DOMException:
    """Return the error of a server that takes nothing."""
    stream = Stream(address, sound=True, **options)
    with pytest.raises(DOMException) as caught:
        stream.feed_until(lambda: False)
    stream.encoding.abort()
    assert SECRET not in f"{caught.value!r} {caught.value.hints}"
    assert PASSWORD not in f"{caught.value!r} {caught.value.hints}"
    return caught.value


# Each protocol, read back


def test_rtmp_has_every_picture_and_all_the_sound(server: tuple[Path, int, int]) -> None:
    folder, port, _ = server
    stream = publish(f"rtmp://127.0.0.1:{port}/kept/all")
    assert [event for event, _ in stream.events] == [PUBLISHING]
    assert (stream.sink.published.sent, stream.sink.published.dropped) == (PICTURES, 0)
    path = folder / "kept/all.flv"
    assert eventually(lambda: path.exists() and packets(path, "video") == PICTURES)
    assert packets(path, "audio") >= PICTURES * 1920 // 1024
    assert {one["codec_name"] for one in probe(path, "-show_streams")["streams"]} == {"h264", "aac"}


@pytest.mark.parametrize(("host", "listens"), [("[::1]", "::1"), ("localhost", "127.0.0.1")])
def test_an_address_may_be_a_name_or_ipv6(host: str, listens: str) -> None:
    with Taker(host=listens) as taker:
        publish(f"icecast://{host}:{taker.port}/x.ogg")
    assert taker.bodies[0].startswith(b"OggS")


@pytest.mark.parametrize("video", ["hevc", "av1"])
def test_newer_codecs_go_through_rtmp(video: str, server: tuple[Path, int, int]) -> None:
    stream = publish(f"rtmp://127.0.0.1:{server[1]}/kept/{video}#video={video},audio=opus", 25)
    assert stream.sink.published.sent == 25


def test_rtsp_has_every_picture(tmp_path: Path) -> None:
    path = tmp_path / "x.mkv"
    with rtsp_receiver(path) as port:
        publish(f"rtsp://127.0.0.1:{port}/taken")
    assert packets(path, "video") == PICTURES
    assert packets(path, "audio") >= PICTURES * 1920 // 1024


def test_rtsp_logs_in() -> None:
    with rtsp(USER, PASSWORD) as (_, port):
        assert publish(f"rtsp://{LOGIN}@127.0.0.1:{port}/taken").sink.published.sent == PICTURES
        assert isinstance(failing(f"rtsp://127.0.0.1:{port}/taken"), NotAllowedError)
        assert "(404)" in str(failing(f"rtsp://{LOGIN}@127.0.0.1:{port}/none"))


def test_mpeg_ts_goes_over_udp(tmp_path: Path) -> None:
    require("ffmpeg")
    port, path = free_port(), tmp_path / "x.ts"
    source = f"udp://127.0.0.1:{port}?timeout=20000000"
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", source, "-map", "0", "-c", "copy", "-t", "1", str(path)]
    with subprocess.Popen(command) as reader:
        assert eventually(lambda: f":{port:04X} " in Path("/proc/net/udp").read_text())
        publish(f"udp://127.0.0.1:{port}")
        stream = Stream(f"udp://127.0.0.1:{port}", sound=True)
        stream.feed_until(lambda: reader.poll() is not None)
        stream.encoding.abort()
    assert {one["codec_name"] for one in probe(path, "-show_streams")["streams"]} == {"h264", "aac"}


@pytest.mark.parametrize(
    ("suffix", "kind", "begins"),
    [("mp3", "audio/mpeg", b""), ("ogg", "application/ogg", b"OggS"), ("webm", "video/webm", b"\x1a\x45\xdf\xa3"),
     ("aac", "audio/aac", b"\xff\xf1"), ("", "audio/mpeg", b"")],
)  # fmt: skip
def test_icecast_gets_the_type_of_what_it_gets(suffix: str, kind: str, begins: bytes, tmp_path: Path) -> None:
    with Taker() as taker:
        row = sink_row(address := f"icecast://source:{SECRET}@127.0.0.1:{taker.port}/x{suffix and '.'}{suffix}", "audio")
        sink = load_sink(row, address, SinkOptions())
        sink.open([VIDEO, SOUND] if row.video else [SOUND])
        for index in range(PICTURES):
            if row.video:
                sink.write(0, picture("I420", 64, 48, at_us=T0 + index * STEP_US, sequence=index))
            sink.write(int(row.video), tone(index * 1920, 1920))
        sink.close()
    assert f"Content-Type: {kind}".encode() in taker.heads[0]
    assert b"Authorization: Basic " in taker.heads[0]
    (path := tmp_path / "x").write_bytes(taker.bodies[0])
    assert bytes(taker.bodies[0]).startswith(begins)
    sound = next(one for one in probe(path, "-show_streams")["streams"] if one["codec_type"] == "audio")
    assert sound["codec_name"] == protocol_of(row).container.audio[0]
    run("ffmpeg", "-v", "error", "-i", path, "-f", "null", "-")


def test_icecast_plays_it_to_others(tmp_path: Path) -> None:
    require("ffmpeg")
    with icecast(SECRET) as port:
        stream = Stream(f"icecast://source:{SECRET}@127.0.0.1:{port}/x.webm", sound=True)
        stream.feed_until(lambda: stream.saw(PUBLISHING))
        path = tmp_path / "x.mkv"
        source = f"http://127.0.0.1:{port}/x.webm"
        with subprocess.Popen(
            ["ffmpeg", "-v", "error", "-nostdin", "-i", source, "-c", "copy", "-t", "1", str(path)]
        ) as reader:
            stream.feed_until(lambda: reader.poll() is not None)
        stream.end()
        assert packets(path, "video") > 0
        assert isinstance(failing(f"icecast://source:wrong{SECRET}@127.0.0.1:{port}/y.webm"), NotAllowedError)


def test_hls_is_put_on_a_web_server(server: tuple[Path, int, int]) -> None:
    folder, _, port = server
    publish(f"http://127.0.0.1:{port}/put/live.m3u8", PICTURES + 10)
    path = folder / "web/put/live.m3u8"
    assert packets(path, "video") == PICTURES + 10
    assert "answers with status 405" in str(failing(f"http://127.0.0.1:{port}/none/live.m3u8"))


def test_srt_goes_through_an_ffmpeg_that_shows_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require("ffmpeg", "srt-live-transmit")
    port, out, path = free_port(), free_port(), tmp_path / "x.ts"
    passphrase = f"{SECRET}0123456789"
    relay = subprocess.Popen(
        ["srt-live-transmit", f"srt://127.0.0.1:{port}?mode=listener&passphrase={passphrase}", f"udp://127.0.0.1:{out}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    source = f"udp://127.0.0.1:{out}?timeout=20000000"
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", source, "-map", "0", "-c", "copy", "-t", "1", str(path)]
    try:
        with subprocess.Popen(command) as reader:
            assert eventually(lambda: f":{port:04X} " in Path("/proc/net/udp").read_text())
            stream = Stream(f"srt://127.0.0.1:{port}?passphrase={passphrase}", sound=True)
            stream.feed_until(lambda: stream.saw(PUBLISHING))
            assert all(SECRET not in text for text in arguments_below(os.getpid()))
            stream.feed_until(lambda: reader.poll() is not None)
            stream.end()
    finally:
        relay.kill()
        relay.wait()
    assert "h264" in {one["codec_name"] for one in probe(path, "-show_streams")["streams"]}
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotSupportedError, match="the program ffmpeg"):
        Stream("srt://127.0.0.1:1")


def arguments_below(pid: int) -> list[str]:
    """Return the arguments of all processes that descend from one, other than the servers of the test."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words, parent = (folder / "cmdline").read_text(), int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if "srt-live-transmit" not in words and (parent == pid or "raw_packet_size" in words):
            found.append(words)
    return found


# One encoding


def test_a_file_and_a_server_share_one_encoding(server: tuple[Path, int, int], tmp_path: Path) -> None:
    address = f"rtmp://127.0.0.1:{server[1]}/kept/shared"
    rows = (SINKS["mp4"], str(tmp_path / "x.mp4")), (sink_row(address, "video"), address)
    plans = [SinkPlan(row, target, SinkOptions(), (0, 1), ("video", "audio")) for row, target in rows]
    (group,) = load_sinks(plans)
    group.sink.open([VIDEO, SOUND])
    for track, frame in frames_for(SINKS["mp4"], PICTURES):
        group.sink.write(track, frame)
    group.sink.close()
    path = server[0] / "kept/shared.flv"
    assert eventually(lambda: path.exists() and packets(path, "video") == PICTURES)
    assert packets(tmp_path / "x.mp4", "video") == PICTURES
    own = own_options(plans[1].row, f"{address}#bitrate=200k", SinkOptions())
    assert len(load_sinks([plans[0], plans[1]._replace(options=own)])) == 2


def test_the_settings_of_an_output_follow_its_address(server: tuple[Path, int, int]) -> None:
    publish(f"rtmp://127.0.0.1:{server[1]}/kept/small#size=32x24,bitrate=100k,audio=mp3", 25)
    path = server[0] / "kept/small.flv"
    assert eventually(lambda: path.exists() and packets(path, "video") == 25)
    found = {one["codec_type"]: one for one in probe(path, "-show_streams")["streams"]}
    video, sound = found["video"], found["audio"]
    assert (video["width"], video["height"], sound["codec_name"]) == (32, 24, "mp3")


@pytest.mark.parametrize("settings", ["bitrates=3M", "bitrate=fast", "size=wide", "size=0"])
def test_a_wrong_setting_is_named(settings: str) -> None:
    with pytest.raises(ArgumentError, match=settings.partition("=")[0]):
        own_options(SERVERS[1], f"rtmp://host/live/{SECRET}#{settings}", SinkOptions())


def test_what_is_no_setting_belongs_to_the_address() -> None:
    assert own_options(SERVERS[1], "rtmp://host/live/key#1", SinkOptions()).video_bits_per_second is None


def test_a_cameras_own_h264_goes_out_as_it_is(server: tuple[Path, int, int]) -> None:
    chunks = h264(PICTURES)
    address = f"rtmp://127.0.0.1:{server[1]}/kept/copied"
    sink = load_sink(sink_row(address, "video"), address, SinkOptions(video_codec=COPY))
    sink.open([TrackFormat("video", {"frameRate": 25.0}, "H264")])
    for chunk in chunks:
        sink.write(0, chunk)
    sink.close()
    path = server[0] / "kept/copied.flv"
    assert eventually(lambda: path.exists() and packets(path, "video") == len(chunks))
    sent = run("ffmpeg", "-v", "error", "-i", path, "-map", "0:v", "-f", "framemd5", "-")
    given = run("ffmpeg", "-v", "error", "-f", "h264", "-i", "-", "-f", "framemd5", "-",
                stdin=b"".join(bytes(one.data) for one in chunks if isinstance(one, EncodedVideoChunk)))  # fmt: skip
    assert hashes(sent) == hashes(given)


def hashes(text: bytes) -> list[bytes]:
    return [line.rpartition(b",")[2].strip() for line in text.splitlines() if line and not line.startswith(b"#")]


# Servers that do not take it


@pytest.mark.parametrize(
    ("path", "sentence"), [("none", "the server refuses the stream"), ("barred", "the server refuses the stream")]
)
def test_an_unknown_application_or_a_wrong_key_is_an_error(path: str, sentence: str, server: tuple[Path, int, int]) -> None:
    error = failing(f"rtmp://127.0.0.1:{server[1]}/{path}/{SECRET}")
    assert isinstance(error, OperationError)
    assert sentence in str(error)


@pytest.mark.parametrize("scheme", ["rtmp", "rtsp", "icecast", "http"])
def test_a_server_that_is_not_there_is_an_error(scheme: str) -> None:
    port = free_port()
    assert f"127.0.0.1:{port} refuses the connection" in str(failing(f"{scheme}://127.0.0.1:{port}/a/{SECRET}.m3u8"))
    assert str(failing(f"{scheme}://none.invalid:{port}/a/x.m3u8")) == f"no host is called none.invalid:{port}"


@pytest.mark.parametrize("scheme", ["rtmp", "rtsp", "icecast", "http"])
def test_a_silent_server_is_an_error(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "PUBLISH_CONNECT_S", 0.3)
    with Tcp() as server:
        assert "does not answer within" in str(failing(f"{scheme}://127.0.0.1:{server.port}/a/x.m3u8"))


@pytest.mark.parametrize("scheme", ["rtmp", "rtsp", "icecast", "http"])
def test_a_server_that_sends_garbage_is_an_error(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "PUBLISH_CONNECT_S", 0.5)
    with Tcp(os.urandom(1 << 14), over=True) as server:
        failing(f"{scheme}://127.0.0.1:{server.port}/a/x.m3u8")


@pytest.mark.parametrize(("status", "kind"), [(401, NotAllowedError), (403, NotAllowedError), (404, OperationError)])
def test_the_answer_of_a_server_is_the_cause(status: int, kind: type[Exception]) -> None:
    with Taker(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status) as taker:
        error = failing(f"icecast://source:{SECRET}@127.0.0.1:{taker.port}/x.ogg")
    assert isinstance(error, kind)
    assert f"({status})" in str(error)


@pytest.mark.parametrize("scheme", ["rtmps", "rtsps", "icecasts", "https"])
def test_a_certificate_is_always_checked(scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, file = certificate(tmp_path)
    monkeypatch.setattr(publisher, "PUBLISH_CONNECT_S", 2.0)
    with tls_listener(context) as port:
        address = f"{scheme}://{USER}:{SECRET}@localhost:{port}/a/x.m3u8"
        assert isinstance(failing(address), SecurityError)
        for link in (LinkOptions(ca_file=str(file)), LinkOptions(insecure=True)):
            assert not isinstance(failing(address, link=link), SecurityError)


# It comes back


def test_it_comes_back_with_a_key_frame_while_the_file_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "SERVER_SOON_S", 0.02)
    monkeypatch.setattr(publisher, "SERVER_RECONNECT_S", 0.05)
    beside = tmp_path / "x.mkv"
    taker = Taker()
    stream = Stream(f"icecast://127.0.0.1:{taker.port}/x.webm", beside=beside, sound=True)
    stream.feed_until(lambda: stream.saw(PUBLISHING) and stream.sink.readable)
    taker.close()
    stream.feed_until(lambda: stream.saw(INTERRUPTED))
    with Taker(port=taker.port) as back:
        stream.feed_until(lambda: stream.saw(RESUMED))
        sent = stream.sink.published.sent
        stream.feed_until(lambda: stream.sink.published.sent > sent + 10)
        stream.end()
    details = dict(stream.events)
    assert details[RESUMED]["reconnects"] == 1
    assert details[INTERRUPTED]["reason"]
    published = stream.sink.published
    assert (published.sent + published.dropped, published.reconnects) == (stream.count, 1)
    assert packets(beside, "video") == stream.count
    (path := tmp_path / "back.webm").write_bytes(back.bodies[0])
    times = probe(path, "-select_streams", "v", "-show_packets")["packets"]
    assert "K" in times[0]["flags"]
    assert float(times[0]["pts_time"]) < 0.5
    run("ffmpeg", "-v", "error", "-i", path, "-f", "null", "-")


def test_many_breaks_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "SERVER_SOON_S", 0.01)
    monkeypatch.setattr(publisher, "SERVER_RECONNECT_S", 0.01)
    descriptors = len(os.listdir("/proc/self/fd"))
    with Taker() as taker:
        stream = Stream(f"icecast://127.0.0.1:{taker.port}/x.webm", sound=True)
        for count in range(1, 6):
            stream.feed_until(lambda: len(taker.bodies) and len(taker.bodies[-1]) > 1000)
            taker.drop()
            stream.feed_until(partial(stream.saw, INTERRUPTED, count))
            stream.feed_until(partial(stream.saw, RESUMED, count))
        stream.end()
    assert stream.sink.published.reconnects == 5
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert not [words for words in arguments_below(os.getpid()) if "publish_child" in words]


def test_the_death_of_its_process_is_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "SERVER_SOON_S", 0.01)
    with Taker() as taker:
        stream = Stream(f"icecast://127.0.0.1:{taker.port}/x.webm", sound=True)
        stream.feed_until(lambda: stream.sink.readable)
        child = stream.sink._child
        assert child is not None
        os.kill(child.pid, signal.SIGKILL)
        stream.feed_until(lambda: stream.saw(RESUMED))
        stream.end()
    assert "has ended" in dict(stream.events)[INTERRUPTED]["reason"]


def test_a_server_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "SERVER_SOON_S", 0.01)
    with Taker() as taker:
        stream = Stream(f"icecast://127.0.0.1:{taker.port}/x.webm", sound=True, link=LinkOptions(give_up_s=0.2))
        stream.feed_until(lambda: stream.sink.readable)
    with pytest.raises(OperationError, match="gave up"):
        stream.feed_until(lambda: False)
    stream.encoding.abort()
    assert stream.sink.kept(0) == stream.sink.published.sent


def test_a_server_that_stops_reading_is_left_and_nothing_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "PUBLISH_STALLED_S", 0.3)
    with Taker(reads=False) as taker:
        stream = Stream(f"icecast://127.0.0.1:{taker.port}/x.webm#bitrate=20M", sound=True)
        stream.feed_until(lambda: stream.sink.readable)
        held = stream.sink._child
        assert held is not None
        os.kill(held.pid, signal.SIGSTOP)
        stream.feed_until(lambda: stream.saw(INTERRUPTED))
        assert "has taken nothing" in dict(stream.events)[INTERRUPTED]["reason"]
        stream.encoding.abort()


def test_a_server_that_is_away_at_the_end_is_an_error() -> None:
    with Taker() as taker:
        stream = Stream(f"icecast://127.0.0.1:{taker.port}/x.webm", sound=True)
        stream.feed_until(lambda: stream.sink.readable)
    stream.feed_until(lambda: stream.saw(INTERRUPTED))
    stream.feed()
    with pytest.raises(OperationError, match=r"was away at the end, and \d+ pictures were not sent: .*127.0.0.1"):
        stream.end()
    published = stream.sink.published
    assert (published.state, published.sent + published.dropped) == (INTERRUPTED, stream.count)


def test_a_server_that_is_away_at_the_end_harms_no_file(tmp_path: Path) -> None:
    with Taker() as taker:
        stream = Stream(f"icecast://127.0.0.1:{taker.port}/x.webm", beside=tmp_path / "x.mkv")
        stream.feed_until(lambda: stream.sink.readable)
    stream.feed_until(lambda: stream.saw(INTERRUPTED))
    stream.end()
    assert isinstance(stream.outlet.error, OperationError)
    assert packets(tmp_path / "x.mkv", "video") == stream.count


def test_only_segments_that_the_server_has_taken_are_sent() -> None:
    with Putter(refused=".m4s") as putter:
        stream = Stream(f"http://127.0.0.1:{putter.port}/x.m3u8", sound=True)
        with pytest.raises(OperationError, match="closed the connection"):
            stream.feed_until(lambda: False)
        stream.encoding.abort()
    assert putter.taken[0] == "/x.m3u8"
    assert stream.sink.published.sent == 0


def test_an_answer_without_an_end_is_not_read() -> None:
    with Putter(endless=True) as putter:
        stream = publish(f"http://127.0.0.1:{putter.port}/x.m3u8", PICTURES + 10)
    assert stream.sink.published.sent == PICTURES + 10
    assert [path for path in putter.taken if path.endswith(".m4s")]


# The table, and rules without a server


def test_every_row_of_a_server_has_a_protocol() -> None:
    rows = SERVERS
    assert {id(protocol_of(row)) for row in rows} == {id(protocol) for protocol in PROTOCOLS.values()}
    for row in rows:
        container = protocol_of(row).container
        assert (row.video, row.audio) == (bool(container.video), bool(container.audio))


def test_a_codec_that_a_protocol_lacks_is_refused_with_those_that_it_has() -> None:
    row = sink_row("rtmp://host/a/b", "video")
    with pytest.raises(NotSupportedError, match="a stream to rtmp: cannot hold VP9") as caught:
        check_tracks(row, SinkOptions(video_codec="vp9"), ["video", "audio"])
    assert "h264" in str(caught.value.hints)
    with pytest.raises(NotSupportedError, match="cannot hold FLAC"):
        check_tracks(row, SinkOptions(audio_codec="flac"), ["video", "audio"])


@pytest.mark.parametrize("address", ["udp://127.0.0.1", "rtmp:///live/key", "srt://127.0.0.1"])
def test_an_address_without_a_host_or_a_port_is_refused(address: str) -> None:
    with pytest.raises((ArgumentError, DOMException), match=r"names no (host|port)"):
        Stream(address)


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(NotSupportedError, match="cannot write to gopher: addresses"):
        address_row("gopher://host/x")
    with pytest.raises(NotSupportedError, match="cannot write to https: addresses"):
        address_row("https://host/x.mkv")


def test_a_slow_server_gets_fewer_bits_and_later_more_again() -> None:
    judge, lag_us = Congestion(), 2 * limits.PUBLISH_LAG_US
    shares = [judge.judge(lag_us, 100 + at_s) for at_s in range(20)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] < 1
    assert shares[-1] == LEAST_SHARE
    assert judge.judge(lag_us, 120.1) == LEAST_SHARE
    assert Congestion().judge(lag_us, 100) == (falling := Congestion()).judge(lag_us, 100) == falling.judge(lag_us - 1, 102)
    raised = [judge.judge(0, 130 + 10 * step) for step in range(20)]
    assert raised == sorted(raised)
    assert raised[-1] == 1


def test_the_pauses_before_attempts_double_up_to_a_limit() -> None:
    pauses = [usual_pause_s(attempt, limits.SERVER_SOON_S, limits.SERVER_RECONNECT_S) for attempt in (0, 1, 2, 3, 4, 9, 10**6)]
    assert pauses == [0.5, 1, 2, 4, 8, 8, 8]


def test_the_memory_of_the_process_is_limited() -> None:
    assert MOST_BYTES == 1 << 30

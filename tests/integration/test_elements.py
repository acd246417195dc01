"""Media elements play films, addresses and streams in real time, and what they play is captured."""

from __future__ import annotations

import gc
import math
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import mscli
from mscli.core.clock import MICROSECONDS
from mscli.core.frames import AudioData, VideoFrame
from mscli.core.locks import finish_handed_over
from tests.backends.clips import FILM_RATE, LEVEL, SIZE, SOUND_RATE, film
from tests.backends.servers import Web, in_parts, jpegs, paced, parts
from tests.conftest import ROOT
from tests.integration.test_speakers import eventually
from tests.unit.stage import TIMEOUT_S, Moments, picture
from tests.untyped import untyped

SECONDS = 0.6
FRAMES = round(SECONDS * FILM_RATE)
FIRST = 100  # the level of the first picture; each is one brighter
SPEAKERS: Any = {"devices": [{"kind": "audiooutput", "deviceId": name, "label": name.title()} for name in ("desk", "wall")]}


class Cinema:
    """An element with fake speakers, and its events."""

    def __init__(self, described: Any = SPEAKERS) -> None:
        self.backend = mscli.FakeBackend(described)
        self.devices = mscli.MediaDevices(backends=[self.backend])
        self.element = mscli.MediaElement(devices=self.devices)
        self.heard = Moments(self.element)
        self._addresses: list[str] = []

    def address(self, *kinds: str, seconds: float = SECONDS, first: int = FIRST) -> str:
        """Return the address of a film."""
        self._addresses.append(mscli.URL.create_object_url(mscli.Blob(film(seconds, *kinds, level=first))))
        return self._addresses[-1]

    def load(self, *kinds: str, **how: Any) -> mscli.MediaElement:
        """Load a film, and return the element."""
        self.element.src = self.address(*(kinds or ("video", "audio")), **how)
        self.heard.wait("loadedmetadata")
        return self.element

    def sound(self, name: str = "desk") -> set[int]:
        """Return the levels that a speaker has played."""
        speaker = self.backend.speakers.get(name)
        return set(memoryview(b"".join([] if speaker is None else list(speaker.played))).cast("h"))

    def close(self) -> None:
        """Close everything."""
        self.element.close()
        self.devices.close()
        for address in self._addresses:
            mscli.URL.revoke_object_url(address)


Make = Callable[..., Cinema]


@pytest.fixture
def make() -> Iterator[Make]:
    """Create elements, and close them afterwards. No thread is left."""
    made: list[Cinema] = []

    def cinema(*given: Any) -> Cinema:
        made.append(Cinema(*given))
        return made[-1]

    yield cinema
    for one in made:
        one.close()
    finish_handed_over(TIMEOUT_S)
    names = ("mscli-feed", "mscli-element", "mscli-speaker", "mscli-load", "mscli-fake", "mscli-frames")
    eventually(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith(names)])


class Taken:
    """A reader of a captured track, on a thread of its own, until the track ends."""

    def __init__(self, track: mscli.MediaStreamTrack) -> None:
        self.frames: list[Any] = []
        self._reader = mscli.MediaStreamTrackProcessor({"track": track, "maxBufferSize": 1000}).readable
        self._thread = threading.Thread(target=self._run, name="taken")
        self._thread.start()

    def _run(self) -> None:
        self.frames.extend(self._reader)

    @property
    def received(self) -> int:
        """Return how many frames have come."""
        return len(self.frames)

    def all(self) -> list[Any]:
        """Return all frames, after the end of the track."""
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive()
        return self.frames


def level_of(frame: VideoFrame) -> int:
    """Return the level of a picture."""
    return int(frame.planes[0][0])


def of_kind(stream: mscli.MediaStream, kind: str) -> mscli.MediaStreamTrack:
    """Return the track of a kind."""
    return next(track for track in stream if track.kind == kind)


# Play to the end


def test_a_film_is_played_heard_and_captured(make: Make) -> None:
    cinema = make()
    element = cinema.load()
    assert (element.ready_state, element.paused, element.current_time) == (element.HAVE_ENOUGH_DATA, True, 0)
    assert element.duration == pytest.approx(SECONDS, abs=0.001)
    stream = element.capture_stream()
    pictures, blocks = Taken(of_kind(stream, "video")), Taken(of_kind(stream, "audio"))
    element.play()
    cinema.heard.wait("ended")
    assert (element.ended, element.paused, element.current_time, element.error) == (True, True, element.duration, None)
    frames, sounds = pictures.all(), blocks.all()
    assert [level_of(frame) for frame in frames] == list(range(FIRST, FIRST + FRAMES))
    assert all(early.timestamp < late.timestamp for early, late in pairwise(frames))
    assert sum(block.number_of_frames for block in sounds) == round(SECONDS * SOUND_RATE)
    assert [block.sequence for block in sounds[1:]] == [one.sequence + one.number_of_frames for one in sounds[:-1]]
    assert set(memoryview(b"".join(block.data for block in sounds)).cast("h")) == {LEVEL, -LEVEL}
    first = ["loadstart", "durationchange", "loadedmetadata", "loadeddata", "canplay", "play", "playing"]
    assert [name for name in cinema.heard.types if name != "timeupdate"] == [*first, "pause", "ended"]


def test_the_settings_of_captured_tracks_are_those_of_the_film(make: Make) -> None:
    stream = make().load().capture_stream()
    video, audio = (of_kind(stream, kind).get_settings() for kind in ("video", "audio"))
    assert (video["width"], video["height"], video["frameRate"]) == (*SIZE, FILM_RATE)
    assert (audio["sampleRate"], audio["channelCount"], audio["sampleSize"]) == (SOUND_RATE, 1, 16)


def test_what_ended_plays_again_with_new_tracks(make: Make) -> None:
    cinema = make()
    element = cinema.load("video", seconds=0.2)
    stream = element.capture_stream()
    moments = Moments(stream)
    (first,) = stream
    element.play()
    assert moments.wait("removetrack").track is first
    assert (first.ready_state, len(stream), stream.active) == ("ended", 0, False)
    element.play()
    second = moments.wait("addtrack").track
    assert second is not first
    cinema.heard.wait("ended")
    cinema.heard.wait("ended")
    assert moments.wait("removetrack").track is second


def test_a_film_that_loops_goes_back_and_ends_nothing(make: Make) -> None:
    cinema = make()
    element = cinema.load("video", seconds=0.2)
    element.loop = True
    stream = element.capture_stream()
    (track,) = stream
    taken = Taken(track)
    element.play()
    for _ in range(2):
        cinema.heard.wait("seeked")
    element.loop = False
    cinema.heard.wait("ended")
    levels = [level_of(frame) for frame in taken.all()]
    assert levels == len(levels) // 5 * list(range(FIRST, FIRST + 5))
    assert len(levels) >= 3 * 5
    assert cinema.heard.types.count("ended") == 1


def test_a_film_without_sound_and_one_without_pictures(make: Make) -> None:
    for kind in ("video", "audio"):
        cinema = make()
        element = cinema.load(kind, seconds=0.2)
        assert [track.kind for track in element.capture_stream()] == [kind]
        element.play()
        cinema.heard.wait("ended")


# Pause, seek, rate


def test_a_pause_mutes_the_tracks_and_the_position_stands(make: Make) -> None:
    cinema = make()
    element = cinema.load()
    stream = element.capture_stream()
    video, audio = of_kind(stream, "video"), of_kind(stream, "audio")
    assert video.muted
    assert audio.muted
    moments = Moments(audio)
    pictures, blocks = Taken(video), Taken(audio)
    element.loop = True  # until it is paused, however long that takes
    element.play()
    moments.wait("unmute")
    eventually(lambda: pictures.received)
    element.pause()
    element.loop = False
    moments.wait("mute")
    stood, count = element.current_time, len(blocks.frames)
    eventually(lambda: len(blocks.frames) > count + 3)  # it is silent meanwhile
    assert stood == element.current_time
    silent = [block for block in blocks.frames[count + 1 :] if isinstance(block, AudioData)]
    assert all(not any(block.data.cast("B")) for block in silent)
    element.play()
    moments.wait("unmute")
    cinema.heard.wait("ended")
    levels = [level_of(frame) for frame in pictures.all()]
    assert levels == len(levels) // FRAMES * list(range(FIRST, FIRST + FRAMES)), "none is lost or repeated"
    blocks.all()


def test_it_goes_exactly_to_a_position_and_ends_no_track(make: Make) -> None:
    cinema = make()
    element = cinema.load()
    stream = element.capture_stream()
    moments, taken = Moments(stream), Taken(of_kind(stream, "video"))
    Taken(of_kind(stream, "audio"))
    element.current_time = 0.4
    cinema.heard.wait("seeked")
    assert (element.current_time, element.paused, element.seeking) == (0.4, True, False)
    element.play()
    cinema.heard.wait("ended")
    assert [level_of(frame) for frame in taken.all()] == list(range(FIRST + 10, FIRST + FRAMES))
    assert moments.types[0] == "removetrack"
    order = [name for name in cinema.heard.types if name in ("seeking", "seeked", "playing", "ended")]
    assert order == ["seeking", "seeked", "playing", "ended"]


def test_a_position_outside_is_the_nearest_one(make: Make) -> None:
    cinema = make()
    element = cinema.load("video")
    element.current_time = -3
    cinema.heard.wait("seeked")
    assert element.current_time == 0
    element.current_time = 1e9
    cinema.heard.wait("ended")
    assert (element.current_time, element.ended) == (element.duration, True)
    element.current_time = 0.1
    cinema.heard.wait("seeked")
    cinema.heard.wait("seeked")
    assert not element.ended


@pytest.mark.parametrize("position", [math.nan, math.inf, "1", None])
def test_a_position_is_a_finite_number(make: Make, position: Any) -> None:
    for name in ("current_time", "playback_rate", "volume"):
        with pytest.raises(TypeError, match=f"{name} is a finite number"):
            setattr(make().element, name, position)


def test_what_plays_by_itself_is_not_asked_to(make: Make) -> None:
    cinema = make()
    cinema.element.autoplay = True
    element = cinema.load()
    cinema.heard.wait("ended")
    assert [name for name in cinema.heard.types if name in ("play", "playing", "ended")] == ["play", "playing", "ended"]
    assert element.join(TIMEOUT_S)
    element.load()  # what is loaded again plays again
    cinema.heard.wait("ended")


def test_a_film_can_be_sought_all_over_and_a_stream_nowhere(make: Make) -> None:
    cinema = make()
    assert cinema.element.seekable.length == 0
    element = cinema.load("video")
    ranges = element.seekable
    assert (ranges.length, len(ranges), ranges.start(0), ranges.end(0)) == (1, 1, 0, element.duration)
    for index in (-1, 1):
        with pytest.raises(mscli.IndexSizeError):
            ranges.start(index)
    element.src_object = mscli.MediaStream()
    assert element.seekable.length == 0


def test_where_it_is_to_begin_may_be_set_before_it_is_loaded(make: Make) -> None:
    cinema = make()
    element = cinema.element
    element.current_time = 0.4
    assert (element.current_time, math.isnan(element.duration)) == (0.4, True)
    stream = element.capture_stream()
    moments = Moments(stream)
    element.src = cinema.address("video")
    taken = Taken(moments.wait("addtrack").track)
    element.play()
    assert level_of(taken.all()[0]) == FIRST + 10


def test_twice_the_rate_is_half_of_the_sound_at_the_same_pitch(make: Make) -> None:
    cinema = make()
    element = cinema.load()
    element.playback_rate = 2
    cinema.heard.wait("ratechange")
    stream = element.capture_stream()
    pictures, blocks = Taken(of_kind(stream, "video")), Taken(of_kind(stream, "audio"))
    element.play()
    cinema.heard.wait("ended")
    frames, sounds = pictures.all(), blocks.all()
    assert [level_of(frame) for frame in frames] == list(range(FIRST, FIRST + FRAMES))
    samples = sum(block.number_of_frames for block in sounds)
    assert 0.25 * SECONDS * SOUND_RATE < samples <= 0.5 * SECONDS * SOUND_RATE
    wave = memoryview(b"".join(block.data for block in sounds)).cast("h")
    rises = sum(early < 0 <= late for early, late in pairwise(wave))
    assert rises == pytest.approx(samples / (SOUND_RATE / 1000), rel=0.1), "1 kHz, as before"


def test_at_rate_0_it_stands_and_at_8_its_sound_is_muted(make: Make) -> None:
    cinema = make()
    element = cinema.load()
    stream = element.capture_stream()
    audio, video = Moments(of_kind(stream, "audio")), Moments(of_kind(stream, "video"))
    element.loop = True
    element.play()
    audio.wait("unmute")
    cinema.heard.wait("playing")
    element.playback_rate = 0
    video.wait("mute")
    stood = element.current_time
    assert element.current_time == stood
    assert not element.paused
    element.playback_rate = 8
    video.wait("unmute")
    assert of_kind(stream, "audio").muted
    element.loop = False
    cinema.heard.wait("ended")


@pytest.mark.parametrize("rate", [-1, 0.01, 16.5])
def test_a_rate_that_cannot_be_is_refused(make: Make, rate: float) -> None:
    element = make().element
    with pytest.raises(mscli.NotSupportedError, match="a playback rate is 0, or from 1/16 to 16"):
        element.playback_rate = rate
    assert element.playback_rate == 1


# What is played


def test_another_film_ends_the_tracks_of_the_first(make: Make) -> None:
    cinema = make()
    element = cinema.load()
    stream = element.capture_stream()
    moments, before = Moments(stream), list(stream)
    element.play()
    cinema.heard.wait("playing")
    element.src = cinema.address("video", first=20)
    assert {moments.wait("removetrack").track, moments.wait("removetrack").track} == set(before)
    track = moments.wait("addtrack").track
    assert [track] == list(stream)
    assert cinema.heard.wait("emptied")
    taken = Taken(track)
    element.play()
    assert [level_of(frame) for frame in taken.all()] == list(range(20, 20 + FRAMES))


def test_a_path_is_played(make: Make, tmp_path: Path) -> None:
    cinema, path = make(), tmp_path / "film #1.mkv"
    path.write_bytes(film(0.2, "video"))
    cinema.element.src = str(path)
    cinema.element.play()
    cinema.heard.wait("ended")
    assert "film #1.mkv" in repr(cinema.element)
    with mscli.MediaElement(path, devices=cinema.devices) as other:
        other.play()
        assert other.src == str(path)


def test_a_blob_is_played_as_it_is(make: Make) -> None:
    cinema, blob = make(), mscli.Blob(film(0.2, "video"))
    cinema.element.src_object = blob
    cinema.element.play()
    cinema.heard.wait("ended")
    assert cinema.element.src_object is blob


def test_an_address_that_was_revoked_can_still_be_sought_but_not_loaded_again(make: Make) -> None:
    cinema = make()
    element = cinema.load("video")
    mscli.URL.revoke_object_url(element.src)
    element.current_time = 0.2
    cinema.heard.wait("seeked")
    element.load()
    cinema.heard.wait("error")
    assert element.error is not None
    assert (element.error.code, element.ready_state) == (mscli.MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED, element.HAVE_NOTHING)
    assert "there is no blob at blob:mscli/" in element.error.message
    assert isinstance(element.error.cause, mscli.NotFoundError)
    with pytest.raises(mscli.NotSupportedError, match="cannot play: there is no blob at"):
        element.play()
    element.src = cinema.address("video")
    element.play()
    assert element.error is None


@pytest.mark.parametrize("content", [b"", b"no media at all", None])
def test_what_is_no_media_is_an_error(make: Make, tmp_path: Path, content: bytes | None) -> None:
    cinema, path = make(), tmp_path / "film.mkv"
    if content is not None:
        path.write_bytes(content)
    stream = cinema.element.capture_stream()
    cinema.element.src = str(path)
    cinema.heard.wait("error")
    with pytest.raises(mscli.NotSupportedError, match=r"cannot play: .*film\.mkv"):
        cinema.element.play()
    assert cinema.element.paused
    assert len(stream) == 0


@pytest.mark.parametrize("src", ["nothing:here", "film.unknown", "http://[", "blob:https://example.com/1"])
def test_an_address_that_nothing_reads_is_an_error(make: Make, src: str) -> None:
    cinema = make()
    cinema.element.src = src
    with pytest.raises(mscli.NotSupportedError, match="cannot play"):
        cinema.element.play()
    assert cinema.heard.wait("error")


@pytest.mark.parametrize("src", [b"film.mkv", 3, None])
def test_a_src_is_a_path(make: Make, src: Any) -> None:
    with pytest.raises(TypeError):
        make().element.src = src


def test_without_anything_to_play_there_is_an_error(make: Make) -> None:
    with pytest.raises(mscli.NotSupportedError, match="there is nothing to play"):
        make().element.play()


def test_a_film_that_is_deleted_is_an_error_when_it_is_sought(make: Make, tmp_path: Path) -> None:
    cinema, path = make(), tmp_path / "film.mkv"
    path.write_bytes(film(2.0, "video"))
    cinema.element.src = str(path)
    cinema.heard.wait("loadedmetadata")
    stream = cinema.element.capture_stream()
    path.unlink()
    cinema.element.current_time = 0.2
    cinema.heard.wait("error")
    assert cinema.element.error is not None
    assert cinema.element.error.code == mscli.MediaError.MEDIA_ERR_DECODE
    assert "film.mkv does not exist" in cinema.element.error.message
    assert "playing" not in cinema.heard.types
    assert not cinema.element.seeking
    eventually(lambda: not stream.active)
    with pytest.raises(mscli.NotSupportedError, match=r"cannot play: .*film\.mkv does not exist"):
        cinema.element.play()


def test_a_film_that_breaks_off_is_played_so_far(make: Make) -> None:
    whole = film(SECONDS, "video")
    cinema = make()
    cinema.element.src_object = mscli.Blob(whole[: len(whole) * 2 // 3])
    cinema.element.play()
    eventually(lambda: {"ended", "error"} & set(cinema.heard.types))
    assert cinema.element.paused


# The network


def test_a_film_of_a_web_server_is_read_in_parts(make: Make) -> None:
    cinema = make()
    with Web() as web:
        cinema.element.src = web.page("/film.mkv", in_parts(film(SECONDS, "video", level=FIRST)))
        cinema.heard.wait("loadedmetadata")
        assert cinema.element.duration == pytest.approx(SECONDS, abs=0.001)
        cinema.element.current_time = 0.4
        cinema.heard.wait("seeked")
        taken = Taken(of_kind(cinema.element.capture_stream(), "video"))
        cinema.element.play()
        cinema.heard.wait("ended")
        assert [level_of(frame) for frame in taken.all()] == list(range(FIRST + 10, FIRST + FRAMES))
        cinema.element.src = ""


def test_a_camera_of_the_network_is_played_as_it_comes(make: Make) -> None:
    cinema = make()
    with Web() as web:
        boundary = "multipart/x-mixed-replace; boundary=frame"
        cinema.element.src = web.page("/camera", paced(10 * parts(jpegs(10)), boundary))
        cinema.heard.wait("loadedmetadata")
        assert cinema.element.duration == math.inf
        taken = Taken(of_kind(cinema.element.capture_stream(), "video"))
        cinema.element.play()
        cinema.element.current_time = 3  # it has no positions
        eventually(lambda: taken.received > 3)
        assert not cinema.element.seeking
        cinema.element.src = ""
        assert all((frame.coded_width, frame.coded_height) == (160, 120) for frame in taken.all())


# A stream


def test_a_stream_is_shown_heard_and_captured(make: Make) -> None:
    cinema, canvas, generator = make(), mscli.Canvas(*SIZE), mscli.AudioTrackGenerator()
    with canvas.capture_stream() as stream:
        stream.add_track(generator.track)
        element = cinema.element
        element.src_object = stream
        captured = element.capture_stream()
        taken, blocks = Taken(of_kind(captured, "video")), Taken(of_kind(captured, "audio"))
        element.play()
        data = memoryview(LEVEL.to_bytes(2, "little") * 480)

        def go_on() -> bool:
            canvas.draw(picture())
            generator.writable.write(AudioData("s16", SOUND_RATE, 480, 1, mscli.Event("now").time, data))
            return LEVEL in cinema.sound() and min(taken.received, blocks.received) > 3

        eventually(go_on)
        generator.track.stop()
    cinema.heard.wait("ended")
    assert element.duration == element.current_time > 0
    assert all(frame.coded_width == SIZE[0] for frame in taken.all())
    assert LEVEL in set(memoryview(b"".join(block.data for block in blocks.all())).cast("h"))


def test_a_stream_that_waits_for_its_readers_is_played_at_its_pace(make: Make) -> None:
    cinema = make()
    track = mscli.track_from(picture(number * 20_000, level=number) for number in range(10))
    cinema.element.src_object = mscli.MediaStream([track])
    taken = Taken(of_kind(cinema.element.capture_stream(), "video"))
    cinema.element.play()
    cinema.heard.wait("ended")
    frames = taken.all()
    assert [level_of(frame) for frame in frames] == list(range(10))
    assert frames[-1].timestamp - frames[0].timestamp >= 9 * 20_000


def test_a_track_that_is_added_to_a_stream_is_played(make: Make) -> None:
    cinema, canvas, stream = make(), mscli.Canvas(*SIZE), mscli.MediaStream()
    cinema.element.src_object = stream
    cinema.element.play()
    with canvas.capture_stream() as other:
        stream.add_track(other.get_tracks()[0])

        def draw() -> bool:
            canvas.draw(picture())
            return "playing" in cinema.heard.types

        eventually(draw)
    cinema.heard.wait("ended")


# The speaker


def test_another_speaker_takes_over_while_it_plays(make: Make) -> None:
    cinema = make()
    element = cinema.load("audio")
    element.loop = True
    element.play()
    eventually(lambda: LEVEL in cinema.sound())
    chosen = cinema.devices.select_audio_output({"deviceId": "wall"})
    element.set_sink_id(chosen.device_id)
    assert element.sink_id == "wall"
    eventually(lambda: LEVEL in cinema.sound("wall"))
    element.set_sink_id("wall")  # nothing changes
    element.set_sink_id("")
    assert element.sink_id == ""


def test_an_unknown_speaker_is_not_found_and_nothing_changes(make: Make) -> None:
    element = make().load("audio")
    with pytest.raises(mscli.NotFoundError, match="there is no speaker with the deviceId “gone”"):
        element.set_sink_id("gone")
    with pytest.raises(TypeError, match="set_sink_id takes a deviceId"):
        element.set_sink_id(untyped(None))
    assert element.sink_id == ""


def test_a_speaker_that_may_be_chosen_but_not_opened(make: Make) -> None:
    desk, wall = SPEAKERS["devices"]
    cinema = make({"devices": [desk, {**wall, "faults": {"busy": True}}]})
    element = cinema.load("audio")
    element.loop = True
    element.play()
    with pytest.raises(mscli.AbortError, match="cannot switch to that speaker: “Wall” is in use"):
        element.set_sink_id("wall")
    assert element.sink_id == ""
    eventually(lambda: LEVEL in cinema.sound())


def test_playing_goes_on_without_the_speaker(make: Make) -> None:
    desk = {**SPEAKERS["devices"][0], "faults": {"vanishAfterFrames": 5}}
    cinema = make({"devices": [desk]})
    element = cinema.load()
    element.loop = True
    element.play()
    eventually(lambda: "desk" in cinema.backend.speakers and len(cinema.backend.speakers["desk"].played) == 5)
    element.loop = False
    cinema.heard.wait("ended")
    assert "error" not in cinema.heard.types


def test_what_is_muted_opens_no_speaker_and_is_captured_as_loud_as_ever(make: Make) -> None:
    cinema = make()
    element = cinema.load("audio", seconds=0.2)
    element.muted = True
    element.muted = True
    element.volume = 0.25
    taken = Taken(of_kind(element.capture_stream(), "audio"))
    element.play()
    cinema.heard.wait("ended")
    assert cinema.backend.speakers == {}
    assert set(memoryview(b"".join(block.data for block in taken.all())).cast("h")) == {LEVEL, -LEVEL}
    assert cinema.heard.types.count("volumechange") == 2
    assert (element.muted, element.volume) == (True, 0.25)
    with pytest.raises(ValueError, match="a volume is from 0 to 1, not 2"):
        element.volume = 2


def test_a_volume_is_heard(make: Make) -> None:
    cinema = make()
    element = cinema.load("audio")
    element.volume = 0.5
    element.loop = True
    element.play()
    eventually(lambda: LEVEL // 2 in cinema.sound())
    assert cinema.sound() <= {0, LEVEL // 2, -LEVEL // 2}
    assert cinema.sound("wall") == set()


# The end


def test_a_closed_element_does_nothing_more(make: Make) -> None:
    cinema = make()
    element = cinema.load()
    stream = element.capture_stream()
    tracks = list(stream)
    element.play()
    cinema.heard.wait("playing")
    element.close()
    element.close()
    assert [track.ready_state for track in tracks] == ["ended", "ended"]
    assert len(stream) == 0
    assert "closed" in repr(element)
    calls: list[Callable[[], object]] = [element.play, element.load, element.capture_stream]
    for call in calls:
        with pytest.raises(mscli.InvalidStateError, match="the media element is closed"):
            call()


def test_its_end_can_be_waited_for(make: Make) -> None:
    cinema = make()
    assert cinema.element.join(), "nothing plays"
    element = cinema.load("video", seconds=0.2)
    element.loop = True
    element.play()
    assert not element.join(0)
    element.loop = False
    assert element.join()
    assert element.ended
    element.play()
    element.pause()
    assert element.join()


def test_a_listener_may_do_anything(make: Make) -> None:
    cinema = make()
    element = cinema.load("video", seconds=0.2)
    done = threading.Event()

    def again(event: mscli.Event) -> None:
        element.remove_event_listener("ended", again)
        element.play()
        element.current_time = 0.1
        element.pause()
        element.src = cinema.address("video", seconds=0.2)
        element.play()
        element.add_event_listener("ended", close)

    def close(event: mscli.Event) -> None:
        element.close()
        done.set()

    element.add_event_listener("ended", again)
    element.play()
    assert done.wait(TIMEOUT_S)


def test_an_element_that_nobody_has_ends_its_thread(make: Make) -> None:
    cinema = make()
    before = sum(thread.name == "mscli-events" for thread in threading.enumerate())
    element = mscli.MediaElement(cinema.address("video"), devices=cinema.devices)
    Moments(element).wait("loadedmetadata")
    del element
    gc.collect()
    eventually(lambda: sum(thread.name == "mscli-events" for thread in threading.enumerate()) <= before)


def test_a_captured_stream_that_nobody_has_is_forgotten(make: Make) -> None:
    cinema = make()
    element = cinema.load("video")
    for _ in range(5):
        element.capture_stream()
    gc.collect()
    stream = element.capture_stream()
    assert len(element._captures) == 1
    assert len(stream) == 1


def test_a_program_that_ends_without_closing_ends_well(tmp_path: Path) -> None:
    (tmp_path / "film.mkv").write_bytes(film(2.0, "video", "audio"))
    code = """
    import mscli, sys, threading
    devices = mscli.MediaDevices(backends=[mscli.FakeBackend()])
    element = mscli.MediaElement(sys.argv[1], devices=devices)
    stream = element.capture_stream()
    element.play()
    recorder = mscli.MediaRecorder(stream, file=sys.argv[2])
    recorder.start()
    later = threading.Event()
    element.ontimeupdate = lambda event: element.current_time > 0.1 and later.set()
    later.wait()
    print(element.duration > 1.9)
    """
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        textwrap.dedent(code),
        str(tmp_path / "film.mkv"),
        str(tmp_path / "out.mkv"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == (b"True\n", b"")
    assert (tmp_path / "out.mkv").exists()


# Addresses of blobs


def test_a_blob_is_an_input_as_any_other() -> None:
    address = mscli.URL.create_object_url(mscli.Blob(film(0.2, "video", "audio"), "video/x-matroska"))
    with mscli.MediaDevices(backends=[]) as devices:
        infos = devices.add_address(address)
        assert {info.kind for info in infos} == {"audioinput", "videoinput"}
        stream = devices.get_user_media(untyped({"video": {"deviceId": {"exact": address}}}))
        mscli.URL.revoke_object_url(address)  # what is open goes on
        with mscli.MediaStreamTrackProcessor({"track": stream.get_tracks()[0]}).readable as frames:
            frame = next(frames)
            assert isinstance(frame, VideoFrame)
            assert (frame.coded_width, frame.coded_height) == SIZE
    with mscli.MediaDevices(backends=[]) as devices, pytest.raises(mscli.NotFoundError, match="there is no blob at"):
        devices.add_address(address)
    mscli.URL.revoke_object_url(address)  # unknown ones are ignored


def test_each_address_is_new_and_only_a_blob_has_one() -> None:
    blob = mscli.Blob(b"x")
    first, second = (mscli.URL.create_object_url(blob) for _ in range(2))
    assert first != second
    assert first.startswith("blob:mscli/")
    for address in (first, second):
        mscli.URL.revoke_object_url(address)
    with pytest.raises(TypeError, match="a Blob, not a MediaStream; set it as the src_object of a MediaElement"):
        mscli.URL.create_object_url(mscli.MediaStream())
    with pytest.raises(TypeError, match="a Blob, not a bytes"):
        mscli.URL.create_object_url(b"x")


def test_a_position_is_told_in_seconds_and_frames_in_microseconds(make: Make) -> None:
    cinema = make()
    element = cinema.load("video", seconds=0.2)
    assert element.duration * MICROSECONDS == pytest.approx(200_000, abs=1000)

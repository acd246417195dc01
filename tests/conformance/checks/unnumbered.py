"""The subtests that the numbered lists do not have: ``unnumbered.md``. Each is one function, which a table may make."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from threading import Event as Flag
from typing import Any

import av
import pytest

import mscli
from tests.conformance.checklist import CAMERAS, DISPLAYS, MICROPHONES, Function, Room, check
from tests.conformance.checks.elements import address, element
from tests.conformance.checks.idl import check_read_only
from tests.conformance.checks.programs import PICTURE, give, silent_track, video_stats, waiting
from tests.conformance.checks.recorders import rates_before_and_after_start
from tests.conformance.recorded import Recorded
from tests.unit.stage import TIMEOUT_S, Moments, picture
from tests.untyped import untyped


def check_each(rows: dict[str, Any], function: Callable[..., None]) -> None:
    """Declare a check for each row: the function with the room and the row's value."""
    for number, value in rows.items():
        check(number)(_with(function, value))


def _with(function: Callable[..., None], value: Any) -> Function:
    return lambda room: function(room, *value) if isinstance(value, tuple) else function(room, value)


# Tracks and streams


def a_stopped_track_has_ids(room: Room, kind: str, name: str) -> None:
    track = room.track(kind)
    before: Any = track.get_settings()
    track.stop()
    after: Any = track.get_settings()
    assert before[name] == after[name] != ""


check_each(
    {
        "X001": ("audio", "deviceId"),
        "X002": ("video", "deviceId"),
        "X003": ("audio", "groupId"),
        "X004": ("video", "groupId"),
    },
    a_stopped_track_has_ids,
)


def after_the_end_of_all_tracks(room: Room, made: str) -> None:
    stream = room.stream(audio=True, video=True)
    sound, shown = stream.get_tracks()
    sound.stop()
    streams = {
        "itself": stream,
        "empty": mscli.MediaStream(),
        "copy": mscli.MediaStream(stream),
        "live and ended": mscli.MediaStream([shown, sound]),
        "one": mscli.MediaStream([shown]),
    }
    assert streams[made].active == (made != "empty")
    shown.stop()
    assert not streams[made].active


check_each(
    {"X005": "itself", "X006": "empty", "X007": "copy", "X008": "live and ended", "X009": "one"}, after_the_end_of_all_tracks
)


def echo_cancellation_is_in_the_settings(room: Room, value: bool | str) -> None:
    devices = room.devices({**MICROPHONES[0], "echoCancellation": [False, True, "all", "remote-only"]})
    (track,) = devices.get_user_media(untyped({"audio": {"echoCancellation": {"exact": value}}}))
    assert track.get_settings()["echoCancellation"] == value
    assert value in track.get_capabilities()["echoCancellation"]


check_each({"X010": True, "X011": False, "X012": "all", "X013": "remote-only"}, echo_cancellation_is_in_the_settings)


@check("X014")
def the_error_of_apply_constraints_is_a_dom_exception(room: Room) -> None:
    with pytest.raises(mscli.DOMException) as refused:
        room.track().apply_constraints({"width": {"min": 100_000_000}})
    assert isinstance(refused.value, mscli.OverconstrainedError)
    assert refused.value.name == "OverconstrainedError"


def an_argument_is_needed(room: Room, name: str) -> None:
    with pytest.raises(TypeError):
        getattr(mscli.MediaStream(), name)()


check_each({"X015": "get_track_by_id", "X016": "add_track", "X017": "remove_track"}, an_argument_is_needed)


# Legacy


def called_back(room: Room, constraints: object, *described: Any) -> Any:
    """What the one callback of the old ``getUserMedia`` gets that is called."""
    moments = _Calls()
    legacy = mscli.legacy.NavigatorUserMedia(room.devices(*described))
    with pytest.warns(DeprecationWarning, match="navigator.getUserMedia"):
        legacy.get_user_media(untyped(constraints), moments.succeed, moments.fail)
    assert moments.called.wait(TIMEOUT_S)
    return moments.got


class _Calls:
    """Two callbacks."""

    def __init__(self) -> None:
        self.called, self.got = Flag(), None

    def succeed(self, stream: Any) -> None:
        """Keep a stream."""
        assert isinstance(stream, mscli.MediaStream)
        self._keep(stream)

    def fail(self, error: Any) -> None:
        """Keep an error."""
        assert isinstance(error, mscli.legacy.NavigatorUserMediaError)
        self._keep(error)

    def _keep(self, got: Any) -> None:
        self.got = got
        self.called.set()


@check("X018")
def the_old_operation_is_there(room: Room) -> None:
    assert callable(mscli.legacy.NavigatorUserMedia(room.devices()).get_user_media)


@check("X019")
def the_old_operation_refuses_an_empty_object(room: Room) -> None:
    refused_at_once(room, {})


@check("X023")
def the_old_operation_refuses_an_unknown_key(room: Room) -> None:
    refused_at_once(room, {"doesnotexist": True})


def refused_at_once(room: Room, constraints: object) -> None:
    """The call itself raises."""
    with pytest.warns(DeprecationWarning, match="navigator.getUserMedia"), pytest.raises(TypeError):
        mscli.legacy.NavigatorUserMedia(room.devices()).get_user_media(untyped(constraints), print, print)


@check("X020")
def an_impossible_constraint_calls_the_error_callback(room: Room) -> None:
    error = called_back(room, {"video": {"mandatory": {"minWidth": 100_000_000}}})
    assert (error.name, error.constraint_name) == ("ConstraintNotSatisfiedError", "width")


@check("X021")
def an_optional_constraint_succeeds(room: Room) -> None:
    assert len(called_back(room, {"video": {"optional": [{"minWidth": 1024}, {"maxWidth": 800}]}}).get_video_tracks()) == 1


@check("X022")
def a_trivial_constraint_succeeds(room: Room) -> None:
    assert len(called_back(room, {"video": {"mandatory": {"minWidth": 0}}}).get_video_tracks()) == 1


@check("X024")
def a_denial_calls_the_error_callback(room: Room) -> None:
    error = called_back(room, {"video": True}, {**CAMERAS[0], "faults": {"denied": True}})
    assert error.name == "PermissionDeniedError"


@check("X025")
def the_success_callback_gets_a_stream(room: Room) -> None:
    assert [track.kind for track in called_back(room, {"audio": True, "video": True})] == ["audio", "video"]


# Recording


@check("X026")
def the_first_timecode_is_zero(room: Room) -> None:
    assert timecodes(room)[0] == 0


@check("X027")
def timecodes_increase(room: Room) -> None:
    found = timecodes(room)
    assert found == sorted(found)
    assert found[-1] > found[0]  # the first slice may be the header alone, with the time of the first frame


def timecodes(room: Room) -> list[float]:
    """The timecodes of four slices."""
    recorded = Recorded(room)
    recorded.recorder.start(100)
    for count in (1, 2, 3, 4):
        recorded.run_until("dataavailable", count)
    return [event.timecode for event in recorded.events if event.type == "dataavailable"][:4]


@check("X028")
def only_start_and_stop(room: Room) -> None:
    recorded, fired = Recorded(room), list[str]()
    recorded.recorder.onstart = recorded.recorder.onstop = lambda event: fired.append(event.type)
    recorded.recorder.start()
    recorded.run_until("start")
    recorded.recorder.stop()
    recorded.run_to_the_end()
    assert fired == ["start", "stop"]


VARIANTS = {
    "": ("audio", "video"),
    "video/webm; codecs=vp8,opus": ("audio", "video"),
    "video/webm; codecs=vp9,opus": ("audio", "video"),
    "video/webm; codecs=av1,opus": ("audio", "video"),
    "video/mp4; codecs=avc1.64003E,mp4a.40.2": ("audio", "video"),
    "video/mp4; codecs=avc1.64003E,opus": ("audio", "video"),
    "video/x-matroska; codecs=avc1.64003E,opus": ("audio", "video"),
    "video/webm; codecs=vp8": ("video",),
    "audio/webm; codecs=opus": ("audio",),
    "audio/mp4; codecs=mp4a.40.2": ("audio",),
}


def of_variants() -> dict[str, tuple[str, ...]]:
    """The MIME types that are supported, as web-platform-tests ask before."""
    supported = {one: kinds for one, kinds in VARIANTS.items() if not one or mscli.MediaRecorder.is_type_supported(one)}
    assert len(supported) >= 5
    return supported


def recorded_as(room: Room, mime_type: str, *kinds: str) -> Recorded:
    """A recorder with this MIME type, or with none."""
    options: dict[str, Any] = {"mimeType": mime_type} if mime_type else {}
    return Recorded(room, *kinds, **options)


@check("X029")
def events_of_each_type(room: Room) -> None:
    for mime_type, kinds in of_variants().items():
        recorded = recorded_as(room, mime_type, *kinds)
        recorder = recorded.recorder
        for use in (recorder.start, recorder.pause, recorder.resume):
            use()
        recorded.run_until("resume")
        recorded.wait_for_a_frame()
        recorder.stop()
        assert recorded.run_until("dataavailable").data.size > 0
        recorded.run_until("stop")
        assert recorded.run_to_the_end() == ["start", "pause", "resume", "dataavailable", "stop"], mime_type
        assert recorded.mime_types[0].partition(";")[0] == (mime_type or "video/webm").partition(";")[0]


@check("X030")
def stopping_each_type(room: Room) -> None:
    for mime_type, kinds in of_variants().items():
        recorded = recorded_as(room, mime_type, *kinds)
        recorder = recorded.recorder
        recorder.start()
        recorder.stop()
        recorder.stop()
        assert recorder.state == "inactive"
        recorded.run_until("stop")
        recorder.start()
        recorded.run_until("start", 2)
        assert recorded.states[-1] == "recording"
        recorder.stop()
        assert recorded.run_to_the_end() == ["start", "dataavailable", "stop"] * 2, mime_type


@check("X031")
def a_canvas_in_each_type(room: Room) -> None:
    for mime_type in (one for one, kinds in of_variants().items() if "video" in kinds):
        canvas = mscli.Canvas(64, 48)
        with canvas.capture_stream() as stream:
            recorder = mscli.MediaRecorder(stream, untyped({"mimeType": mime_type} if mime_type else {}))
            moments = Moments(recorder)
            recorder.start()
            for _ in range(3):
                canvas.draw(PICTURE)
            recorder.stop()
            blob = moments.wait("dataavailable").data
            moments.wait("stop")
        with av.open(io.BytesIO(blob.bytes()), "r") as file:
            assert len(list(file.decode(video=0))) == 3, mime_type


def start_changes_the_rate(room: Room, kind: str, place: int) -> None:
    before, after = rates_before_and_after_start(room, kind, bitsPerSecond=2_000_000)
    assert before[place] != after[place]


check_each({"X032": ("audio", 0), "X033": ("audio", 1), "X034": ("video", 0), "X035": ("video", 1)}, start_changes_the_rate)


@check("X036")
def a_recorder_needs_a_stream(room: Room) -> None:
    constructor: Any = mscli.MediaRecorder
    with pytest.raises(TypeError):
        constructor()


@check("X037")
def a_type_is_needed(room: Room) -> None:
    with pytest.raises(TypeError):
        mscli.MediaRecorder.is_type_supported()  # type: ignore[call-arg]


def an_event_is_trusted(room: Room, name: str) -> None:
    recorded = Recorded(room)
    recorder = recorded.recorder
    for use in (recorder.start, recorder.pause, recorder.resume):
        use()
    if name == "error":
        recorded.stream.add_track(recorded.stream.get_tracks()[0].clone())
    else:
        recorder.stop()
    assert recorded.run_until(name).is_trusted


check_each(
    {f"X{38 + place:03}": name for place, name in enumerate(("start", "pause", "resume", "stop", "error", "dataavailable"))},
    an_event_is_trusted,
)


# Elements


def size_of(track: mscli.MediaStreamTrack) -> tuple[int, int]:
    """Width and height in the settings."""
    settings = track.get_settings()
    return settings["width"], settings["height"]


@check("X044")
def the_settings_follow_the_source(room: Room) -> None:
    with element(room) as (player, heard), mscli.Canvas(64, 48).capture_stream() as stream:
        player.src_object = stream
        heard.wait("loadedmetadata")
        (track,) = player.capture_stream()
        assert size_of(track) == (64, 48)


@check("X045")
def the_settings_follow_a_source_that_changes_its_size(room: Room) -> None:
    canvas = mscli.Canvas(64, 48)
    with element(room) as (player, heard), canvas.capture_stream() as stream:
        player.src_object = stream
        heard.wait("loadedmetadata")
        (track,) = player.capture_stream()
        changed = Moments(track)
        player.play()
        canvas.draw(PICTURE)
        heard.wait("playing")
        assert size_of(track) == (64, 48)
        canvas.width, canvas.height = 128, 96
        canvas.draw(PICTURE.repeat(2, 0).repeat(2, 1))
        if size_of(track) != (128, 96):
            changed.wait("configurationchange")
        assert size_of(track) == (128, 96)


@check("X046")
def an_element_is_captured(room: Room) -> None:
    with element(room) as (player, _), address("video") as film_address:
        player.src = film_address
        assert isinstance(player.capture_stream(), mscli.MediaStream)


@check("X047")
def a_canvas_is_captured(room: Room) -> None:
    canvas = mscli.Canvas(64, 48)
    for rate in (None, 0, 30):
        with canvas.capture_stream(rate) as stream:
            assert isinstance(stream, mscli.MediaStream)
            (track,) = stream
            assert isinstance(track, mscli.CanvasCaptureMediaStreamTrack)


# Processors and generators


@check("X048")
def written_frames_wait_up_to_the_size(room: Room) -> None:
    for size in (1, 2, 5):
        generator = mscli.VideoTrackGenerator()
        processor = mscli.MediaStreamTrackProcessor({"track": generator.track, "maxBufferSize": size})
        with processor.readable as reader:
            for number in range(size + 3):
                generator.writable.write(picture(number))
            assert [frame.timestamp for frame in waiting(reader)] == list(range(3, size + 3))
        generator.track.stop()


@check("X049")
def the_readable_of_a_processor(room: Room) -> None:
    processor = mscli.MediaStreamTrackProcessor({"track": room.track()})
    check_read_only(processor, "readable")
    processor.readable.close()


def generator_attribute_is_read_only(room: Room, name: str) -> None:
    generator = mscli.VideoTrackGenerator()
    check_read_only(generator, name)
    generator.track.stop()


check_each({"X050": "writable", "X052": "track"}, generator_attribute_is_read_only)


@check("X051")
def a_generator_can_be_muted(room: Room) -> None:
    generator = mscli.VideoTrackGenerator()
    assert generator.muted is False
    generator.muted = True
    assert generator.muted is True
    generator.track.stop()


@check("X053")
def a_processor_counts_all_frames(room: Room) -> None:
    assert counted(room, "total_frames") == 5


@check("X054")
def a_processor_counts_discarded_frames(room: Room) -> None:
    assert counted(room, "discarded_frames") == 4


def counted(room: Room, name: str) -> int:
    """A count of a processor in which the newest of five frames waits."""
    generator = mscli.VideoTrackGenerator()
    processor = mscli.MediaStreamTrackProcessor({"track": generator.track})
    for number in range(5):
        generator.writable.write(picture(number))
    check_read_only(processor, name)
    found: int = getattr(processor, name)
    processor.readable.close()
    generator.track.stop()
    return found


# The screen

SURFACES = ("monitor", "window", "browser")
BROWSER = {**DISPLAYS[1], "deviceId": "browser", "displaySurface": "browser"}


def surface(room: Room, name: str) -> mscli.MediaStreamTrack:
    """A track of a display of this kind."""
    stream = room.devices(*DISPLAYS, BROWSER).get_display_media(untyped({"video": {"displaySurface": name}}))
    (track,) = stream.get_video_tracks()
    return track


def a_wish_for_a_surface_succeeds(room: Room, name: str) -> None:
    assert surface(room, name).get_settings()["displaySurface"] == name


def pixels_are_logical_size_times_ratio(room: Room, name: str) -> None:
    settings = surface(room, name).get_settings()
    (logical,) = (one["modes"][0] for one in (*DISPLAYS, BROWSER) if one["displaySurface"] == name)
    ratio = settings["screenPixelRatio"]
    assert ratio > 0
    assert (settings["width"], settings["height"]) == (logical["width"] * ratio, logical["height"] * ratio)


def scaling_leaves_the_surface_alone(room: Room, name: str) -> None:
    track = surface(room, name)
    before, pixels = track.get_settings(), track.get_capabilities()
    track.apply_constraints({"width": 160, "height": 90})
    after = track.get_settings()
    assert (after["width"], after["height"]) == (160, 90)
    assert after["screenPixelRatio"] == before["screenPixelRatio"]
    assert after["displaySurface"] == name
    assert track.get_capabilities() == pixels
    track.apply_constraints({})
    assert track.get_settings() == before


for _place, _name in enumerate(SURFACES):
    check(f"X{55 + _place:03}")(partial(a_wish_for_a_surface_succeeds, name=_name))
    check(f"X{58 + _place:03}")(partial(pixels_are_logical_size_times_ratio, name=_name))
    check(f"X{61 + _place:03}")(partial(scaling_leaves_the_surface_alone, name=_name))


# Stats


@check("X064")
def stats_are_one_object(room: Room) -> None:
    track = silent_track(room)
    first = video_stats(track)
    give(track, 1)
    assert video_stats(track) is first
    track.stop()
    assert video_stats(track) is first


@check("X065")
def frames_count_without_a_reader(room: Room) -> None:
    track = silent_track(room)
    give(track, 3)
    assert video_stats(track).delivered_frames == video_stats(track).total_frames == 3


@check("X066")
def stats_stand_still_while_disabled(room: Room) -> None:
    track = silent_track(room)
    give(track, 2)
    track.enabled = False
    give(track, 2)
    assert video_stats(track).total_frames == 2


@check("X067")
def enabling_again_resets_nothing(room: Room) -> None:
    track = silent_track(room)
    give(track, 2)
    track.enabled = False
    give(track, 1)
    track.enabled = True
    assert video_stats(track).total_frames == 2
    give(track, 1)
    assert video_stats(track).total_frames == 3


def a_clone_starts_at_zero(room: Room, enabled: bool, deep: bool) -> None:
    track = silent_track(room)
    give(track, 2)
    track.enabled = enabled
    twin = track.clone()
    assert video_stats(twin).total_frames == 0
    if deep:
        give(track, 1)
        twin = twin.clone()
        assert video_stats(twin).total_frames == 0
    twin.enabled = True
    give(track, 1)
    assert video_stats(twin).total_frames == 1


check_each({"X068": (False, False), "X069": (True, False), "X070": (True, True)}, a_clone_starts_at_zero)


@check("X071")
def a_slow_clone_leaves_the_original_alone(room: Room) -> None:
    track = silent_track(room)
    slow = track.clone()
    slow.apply_constraints({"frameRate": {"exact": 10}})
    give(track, 30)
    assert video_stats(slow).discarded_frames == 20
    assert (video_stats(track).discarded_frames, video_stats(track).delivered_frames) == (0, 30)


@check("X072")
def sound_has_no_video_stats(room: Room) -> None:
    assert isinstance(room.track("audio").stats, mscli.MediaStreamTrackAudioStats)


@check("X073")
def face_framing_is_a_capability_if_supported(room: Room) -> None:
    track = room.track()
    capabilities: dict[str, Any] = {**track.get_capabilities()}
    supported: Any = room.devices().get_supported_constraints().get("faceFraming", False)
    assert set(capabilities.get("faceFraming", [])) <= {False, True}
    assert supported or "faceFraming" not in capabilities


@check("X074")
def the_setting_of_face_framing_is_one_of_the_capability(room: Room) -> None:
    track = room.track()
    settings: dict[str, Any] = {**track.get_settings()}
    capabilities: dict[str, Any] = {**track.get_capabilities()}
    assert ("faceFraming" in settings) == ("faceFraming" in capabilities)
    assert settings.get("faceFraming") in capabilities.get("faceFraming", [None])


# Content hints

HINTS = {"audio": ("speech", "speech-recognition", "music"), "video": ("motion", "detail", "text")}


@check("X075")
def the_hint_is_empty_at_first(room: Room) -> None:
    assert [track.content_hint for track in room.stream(audio=True, video=True)] == ["", ""]


def valid_hints_are_taken(room: Room, kind: str) -> None:
    track = room.track(kind)
    for hint in (*HINTS[kind], ""):
        track.content_hint = hint
        assert track.content_hint == hint


def other_hints_are_ignored(room: Room, kind: str, other: str) -> None:
    track = room.track(kind)
    track.content_hint = HINTS[kind][0]
    for hint in (*HINTS[other], "bogus", "Speech", "motion ", "\N{SNOWMAN}"):
        track.content_hint = hint
        assert track.content_hint == HINTS[kind][0]


def clones_have_hints_of_their_own(room: Room, kind: str) -> None:
    track = room.track(kind)
    track.content_hint = HINTS[kind][0]
    twin = track.clone()
    assert twin.content_hint == HINTS[kind][0]
    twin.content_hint = HINTS[kind][1]
    assert (track.content_hint, twin.content_hint) == HINTS[kind][:2]


check_each({"X076": "audio", "X078": "video"}, valid_hints_are_taken)
check_each({"X077": ("audio", "video"), "X079": ("video", "audio")}, other_hints_are_ignored)
check_each({"X080": "video", "X081": "audio"}, clones_have_hints_of_their_own)


# Outputs


@check("X082")
def the_selected_output_is_one(room: Room) -> None:
    assert room.devices().select_audio_output().kind == "audiooutput"


def the_selected_output_has_a(room: Room, name: str) -> None:
    assert getattr(room.devices().select_audio_output(), name)


check_each({"X083": "device_id", "X084": "group_id", "X085": "label"}, the_selected_output_has_a)


@check("X086")
def the_selected_output_is_listed(room: Room) -> None:
    devices = room.devices()
    selected = devices.select_audio_output()
    assert selected.device_id in [info.device_id for info in devices.enumerate_devices(["audiooutput"])]


@check("X087")
def an_output_can_be_selected(room: Room) -> None:
    assert callable(room.devices().select_audio_output)

"""MediaRecorder and BlobEvent: how they are made, bit rates, MIME types, and their members."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

import mscli
from mscli.api.blob import Blob
from tests.conformance.checklist import Room, check
from tests.conformance.checks.idl import check_handlers, check_methods, check_read_only
from tests.conformance.recorded import EVERY_KIND, Recorded
from tests.unit.stage import MEMORY, MemorySink

CLOSE = 100_000  # bits per second within which a sum is what was asked for
TOTAL = 2_000_000
USUAL = {"audio": 64_000, "video": 2_500_000}  # the sound has one channel

TYPES = (
    "audio/mp4", "audio/ogg", "audio/webm", 'audio/ogg; codecs="vorbis"', 'audio/ogg; codecs="opus"',
    'audio/webm; codecs="vorbis"', 'audio/webm; codecs="opus"', "video/mp4", "video/webm", 'video/webm; codecs="vp8"',
    'video/webm; codecs="vp8, vorbis"', 'video/webm; codecs="vp8, opus"', 'video/webm; codecs="vp9"',
    'video/webm; codecs="vp9, vorbis"', 'video/webm; codecs="vp9, opus"', 'video/webm; codecs="av1"',
    'video/webm; codecs="av1, opus"',
)  # fmt: skip


def rates(recorder: mscli.MediaRecorder) -> tuple[int, int]:
    """Bits per second of sound and picture."""
    return recorder.audio_bits_per_second, recorder.video_bits_per_second


def rates_with(room: Room, **options: Any) -> tuple[int, int]:
    """Those of a new recorder of both kinds."""
    return rates(Recorded(room, "audio", "video", **options).recorder)


def rates_before_and_after_start(room: Room, *kinds: str, **options: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Those of a new recorder, and when it records."""
    recorder = Recorded(room, *kinds, **options).recorder
    before = rates(recorder)
    recorder.start()
    after = rates(recorder)
    recorder.stop()
    return before, after


def blob_event(*arguments: Any) -> mscli.BlobEvent:
    """A BlobEvent of any arguments."""
    constructor: Any = mscli.BlobEvent
    event: mscli.BlobEvent = constructor(*arguments)
    return event


# BlobEvent


@check("W279")
def a_blob_event_takes_two_arguments(room: Room) -> None:
    for arguments in ((), ("type",)):
        with pytest.raises(TypeError):
            blob_event(*arguments)


@check("W280", "W281")
def a_blob_event_needs_data(room: Room) -> None:
    for init in (None, {}, {"data": None}, {"data": b"no blob"}):
        with pytest.raises(TypeError):
            blob_event("type", init)


@check("W282")
def a_blob_event_has_type_and_data(room: Room) -> None:
    blob = Blob(b"xyz")
    event = blob_event("type", {"data": blob})
    assert event.type == "type"
    assert event.data is blob


@check("W370")
def the_attributes_of_a_blob_event(room: Room) -> None:
    check_read_only(blob_event("type", {"data": Blob(), "timecode": 7}), "data", "timecode")


# Bit rates


@check("W283")
def there_are_default_bit_rates(room: Room) -> None:
    assert all(rates_with(room))


@check("W284")
def a_total_of_zero(room: Room) -> None:
    audio, video = rates_with(room, bitsPerSecond=0)
    assert audio != 0
    assert video != 0
    assert audio + video < CLOSE


@check("W285")
def zero_for_sound(room: Room) -> None:
    assert rates_with(room, audioBitsPerSecond=0) == (0, USUAL["video"])


@check("W286")
def zero_for_the_picture(room: Room) -> None:
    assert rates_with(room, videoBitsPerSecond=0) == (USUAL["audio"], 0)


@check("W287")
def a_total_of_zero_overrides(room: Room) -> None:
    audio, video = rates_with(room, bitsPerSecond=0, audioBitsPerSecond=TOTAL, videoBitsPerSecond=TOTAL)
    assert audio + video < CLOSE


@check("W288", "W289")
def a_total_is_divided(room: Room) -> None:
    for others in ({}, {"audioBitsPerSecond": 0, "videoBitsPerSecond": 0}):
        audio, video = rates_with(room, bitsPerSecond=TOTAL, **others)
        assert audio != 0
        assert video != 0
        assert abs(audio + video - TOTAL) < CLOSE


@check("W290", "W291")
def a_bit_rate_of_one_kind(room: Room) -> None:
    assert rates_with(room, audioBitsPerSecond=TOTAL) == (TOTAL, USUAL["video"])
    assert rates_with(room, videoBitsPerSecond=TOTAL) == (USUAL["audio"], TOTAL)


@check("W292")
def a_bit_rate_of_pictures_without_pictures(room: Room) -> None:
    recorder = Recorded(room, "audio", videoBitsPerSecond=TOTAL).recorder
    assert rates(recorder)[1] == TOTAL
    assert rates(recorder)[0] not in (0, TOTAL)
    check_read_only(recorder, "video_bits_per_second")


@check("W293")
def a_bit_rate_of_sound_without_sound(room: Room) -> None:
    recorder = Recorded(room, "video", audioBitsPerSecond=TOTAL).recorder
    assert rates(recorder)[0] == TOTAL
    assert rates(recorder)[1] not in (0, TOTAL)
    check_read_only(recorder, "audio_bits_per_second")


@check("W294", "W295")
def a_total_of_one_kind_is_divided_at_first(room: Room) -> None:
    for kind in ("audio", "video"):
        audio, video = rates(Recorded(room, kind, bitsPerSecond=TOTAL).recorder)
        assert audio != 0
        assert video != 0


@check("W296", "W297", "W298")
def start_changes_no_bit_rate_of_both_kinds(room: Room) -> None:
    asked: list[dict[str, int]] = [{}, {"audioBitsPerSecond": 50_000, "videoBitsPerSecond": 500_000}, {"bitsPerSecond": TOTAL}]
    for options in asked:
        before, after = rates_before_and_after_start(room, "audio", "video", **options)
        assert before == after


@check("W299")
def start_gives_all_to_the_sound(room: Room) -> None:
    for total in (TOTAL, 300_000):
        before, (audio, video) = rates_before_and_after_start(room, "audio", bitsPerSecond=total)
        assert min(before) > 0
        assert sum(before) == total
        assert video == 0
        assert abs(audio - total) < CLOSE
        assert encoded_with(room, "audio", total) == (audio, None)


@check("W300")
def start_gives_all_to_the_picture(room: Room) -> None:
    for total in (TOTAL, 300_000):
        before, (audio, video) = rates_before_and_after_start(room, "video", bitsPerSecond=total)
        assert min(before) > 0
        assert sum(before) == total
        assert audio == 0
        assert abs(video - total) < CLOSE
        assert encoded_with(room, "video", total) == (None, video)


def encoded_with(room: Room, kind: str, total: int) -> tuple[int | None, int | None]:
    """Bits per second of sound and picture for which the encoders are asked, apart from 0, with this total."""
    recorder = mscli.MediaRecorder(room.stream(**{kind: {}}), {"bitsPerSecond": total}, row=MEMORY)
    recorder.start()
    recorder.stop()
    recorder.join()
    options = MemorySink.made[-1].options
    return options.audio_bits_per_second or None, options.video_bits_per_second or None


# Creation


@check("W302", "W303", "W304", "W316")
def a_new_recorder(room: Room) -> None:
    for kinds in EVERY_KIND:
        recorder = Recorded(room, *kinds).recorder
        assert recorder.state == "inactive"
        assert all(rates(recorder))


# MIME types


@check("W331", "W332", "W333")
def no_type_at_first(room: Room) -> None:
    for kinds in EVERY_KIND:
        assert Recorded(room, *kinds).recorder.mime_type == ""


@check("W315", "W334", "W335", "W336", "W337")
def types_that_are_none(room: Room) -> None:
    for mime_type in ("audio/banana", "video/pineapple"):
        assert mscli.MediaRecorder.is_type_supported(mime_type) is False
        with pytest.raises(mscli.NotSupportedError):
            mscli.MediaRecorder(mscli.MediaStream(), {"mimeType": mime_type})


@check("W338")
def a_type_is_kept_or_refused(room: Room) -> None:
    supported = [one for one in TYPES if mscli.MediaRecorder.is_type_supported(one)]
    assert len(supported) > len(TYPES) // 2
    for mime_type in TYPES:
        if mime_type in supported:
            assert mscli.MediaRecorder(mscli.MediaStream(), {"mimeType": mime_type}).mime_type == mime_type
        else:
            with pytest.raises(mscli.NotSupportedError):
                mscli.MediaRecorder(mscli.MediaStream(), {"mimeType": mime_type})


@check("W339", "W340", "W341", "W342", "W343", "W344")
def the_type_is_known_at_the_start(room: Room) -> None:
    for kinds in EVERY_KIND:
        recorded = Recorded(room, *kinds)
        recorded.recorder.start()
        assert recorded.recorder.mime_type == ""
        recorded.run_until("start")
        told = recorded.mime_types[0]
        assert recorded.recorder.mime_type == told
        codecs = "[^,]+" if len(kinds) == 1 else "[^,]+,[^,]+"
        family = "video" if "video" in kinds else "audio"
        assert re.fullmatch(rf"{family}/[a-z]+; *codecs={codecs}", told)
        recorded.recorder.stop()
        assert recorded.run_to_the_end().count("start") == 1


@check("W355")
def a_type_of_sound_holds_no_picture(room: Room) -> None:
    recorder = Recorded(room, "video", mimeType="audio/webm").recorder
    with pytest.raises(mscli.NotSupportedError):
        recorder.start()


# Members


@check("W366")
def the_attributes_of_a_recorder(room: Room) -> None:
    names = ("stream", "mime_type", "state", "video_bits_per_second", "audio_bits_per_second", "audio_bitrate_mode")
    check_read_only(Recorded(room).recorder, *names)


@check("W367")
def the_handlers_of_a_recorder(room: Room) -> None:
    names = ("onstart", "onstop", "ondataavailable", "onpause", "onresume", "onerror")
    check_handlers(Recorded(room).recorder, *names)


@check("W368")
def the_operations_of_a_recorder(room: Room) -> None:
    check_methods(Recorded(room).recorder, "start", "stop", "pause", "resume", "request_data")


@check("W369")
def is_type_supported_is_static(room: Room) -> None:
    assert isinstance(inspect.getattr_static(mscli.MediaRecorder, "is_type_supported"), staticmethod)

"""Whether a recorder keeps up with its tracks, and what a warning says if it does not."""

from __future__ import annotations

import re

import pytest

from mscli.api import recording
from mscli.api.recording import THROUGHPUT_S, Overload, Throughput
from mscli.core.errors import OperationError
from mscli.core.frames import Media
from mscli.encode.options import SinkOptions
from tests.unit.stage import MemorySink, Recording, Stage, camera, microphone, picture, push, silent

CAMERA, MICROPHONE = 0, 1


def test_an_interval_is_judged_once_it_is_over() -> None:
    throughput = Throughput(2, 100.0)
    assert not throughput.note(CAMERA, 0.01, 100.0 + THROUGHPUT_S / 2)
    assert throughput.note(CAMERA, 0.01, 100.0 + THROUGHPUT_S)


def test_the_track_that_takes_the_time_is_named() -> None:
    throughput = Throughput(2, 0.0)
    throughput.note(CAMERA, THROUGHPUT_S / 10, 1.0)
    throughput.note(MICROPHONE, THROUGHPUT_S * 0.8, THROUGHPUT_S)
    found = throughput.judge([(10, 140), (0, 0)], THROUGHPUT_S)
    assert found is not None
    assert found._replace(whole_share=0.0) == Overload(CAMERA, 10, 140, MICROPHONE, 0.8, 0.0, THROUGHPUT_S)
    assert found.whole_share == pytest.approx(0.9)


@pytest.mark.parametrize("counts", [(150, 0), (75, 75)])
def test_a_recorder_that_writes_most_frames_keeps_up(counts: tuple[int, int]) -> None:
    throughput = Throughput(2, 0.0)
    throughput.note(CAMERA, THROUGHPUT_S, THROUGHPUT_S)
    assert throughput.judge([counts, (0, 0)], THROUGHPUT_S) is None


def test_each_interval_is_judged_by_itself() -> None:
    throughput = Throughput(1, 0.0)
    assert throughput.judge([(10, 140)], THROUGHPUT_S) is not None
    assert throughput.judge([(160, 140)], 2 * THROUGHPUT_S) is None
    assert throughput.judge([(160, 290)], 3 * THROUGHPUT_S) == Overload(CAMERA, 0, 150, CAMERA, 0.0, 0.0, THROUGHPUT_S)


def test_the_end_is_known_before_a_frame_is_written_that_may_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    ends, write = list[int | None](), MemorySink.write

    def note(sink: MemorySink, track: int, frame: Media) -> None:
        ends.append(sink.end_us)
        write(sink, track, frame)

    monkeypatch.setattr(MemorySink, "write", note)
    stage = Stage(silent(camera()))
    one = Recording(stage, "video", window=(5.0, None))
    one.recorder.start()
    (track,) = one.stream.get_video_tracks()
    push(track, picture())
    stage.run_until(lambda: ends)
    one.recorder.stop()
    one.finish()
    assert ends[0] is not None
    stage.close()


def test_an_output_that_hangs_has_dropped_no_more_frames_than_were_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(silent(camera()))
    one = Recording(stage, "video", window=(None, 5))

    written = list[Media]()

    def hang(_sink: MemorySink, _track: int, frame: Media) -> None:
        written.append(frame)
        if len(written) == 2:
            one.run.groups[0]._queues[0].dropped += 100  # meanwhile
            raise OperationError("it hangs")

    monkeypatch.setattr(MemorySink, "write", hang)
    one.recorder.start()
    one.run.groups[0]._queues[0].dropped = 7
    push(one.track, picture(), picture())
    assert "error" in one.finish()
    assert one.run.dropped == [7 + 3]
    stage.close()


@pytest.mark.parametrize("encodes", [True, False])
def test_a_recording_that_drops_most_frames_warns_once_and_says_what_takes_the_time(
    encodes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "THROUGHPUT_S", 0.0)
    monkeypatch.setattr(MemorySink, "encodes", encodes)
    stage, notes = Stage(silent(camera()), silent(microphone())), list[str]()
    one = Recording(stage, "video", "audio", sink_options=SinkOptions(on_note=notes.append))
    one.recorder.start()
    (track,) = one.stream.get_video_tracks()
    place = one.run.tracks.index(track)
    one.run.groups[0]._queues[place].dropped = 100
    for _ in range(3):
        push(track, picture())
    stage.run_until(lambda: one.run.counts[place].frames == 3)
    one.recorder.stop()
    one.finish()
    (note,) = notes
    assert "cannot keep up: 100 of 10" in note
    assert "frames of camera “Camera 0” were dropped" in note
    if encodes:
        assert note.startswith("the recording ")
        assert "Encoding and writing the pictures of camera “Camera 0” took" in note
        assert note.endswith("a smaller --size, a lower --frame-rate or a faster --preset needs less")
    else:
        assert re.search(r"^“.+” cannot .* Writing to it took \d+% of the time$", note)
    stage.close()

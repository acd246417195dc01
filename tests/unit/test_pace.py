"""Whether a recorder keeps up with its tracks, and what a warning says if it does not."""

from __future__ import annotations

import pytest

from mscli.api import recording
from mscli.api.recording import PACE_S, Overload, Pace
from mscli.encode.options import SinkOptions
from tests.unit.stage import Recording, Stage, camera, microphone, picture, push, silent

CAMERA, MICROPHONE = 0, 1


def test_an_interval_is_judged_once_it_is_over() -> None:
    pace = Pace(2, 100.0)
    assert not pace.note(CAMERA, 0.01, 100.0 + PACE_S / 2)
    assert pace.note(CAMERA, 0.01, 100.0 + PACE_S)


def test_the_track_that_takes_the_time_is_named() -> None:
    pace = Pace(2, 0.0)
    pace.note(CAMERA, PACE_S / 10, 1.0)
    pace.note(MICROPHONE, PACE_S * 0.8, PACE_S)
    found = pace.judge([(10, 140), (0, 0)], PACE_S)
    assert found == Overload(CAMERA, 10, 140, MICROPHONE, 0.8)


@pytest.mark.parametrize("counts", [(150, 0), (75, 75)])
def test_a_recorder_that_writes_most_frames_keeps_up(counts: tuple[int, int]) -> None:
    pace = Pace(2, 0.0)
    pace.note(CAMERA, PACE_S, PACE_S)
    assert pace.judge([counts, (0, 0)], PACE_S) is None


def test_each_interval_is_judged_by_itself() -> None:
    pace = Pace(1, 0.0)
    assert pace.judge([(10, 140)], PACE_S) is not None
    assert pace.judge([(160, 140)], 2 * PACE_S) is None
    assert pace.judge([(160, 290)], 3 * PACE_S) == Overload(CAMERA, 0, 150, CAMERA, 0.0)


def test_a_recording_that_drops_most_frames_warns_once_and_says_what_takes_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "PACE_S", 0.0)
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
    assert note.startswith("the recording cannot keep up: 100 of 10")
    assert "frames of camera “Camera 0” were dropped" in note
    assert "Encoding and writing the pictures of camera “Camera 0” took" in note
    assert note.endswith("a smaller --size, a lower --frame-rate or a faster --preset needs less")
    stage.close()

"""The inequalities between time limits. Each test says what breaks without its inequality."""

from __future__ import annotations

import ast
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mscli.cli.leaving import LAST_S
from mscli.core import limits
from mscli.core.clock import LONGEST_S, MICROSECONDS
from mscli.core.limits import USUAL_TIMEOUTS, FrameTimeouts, Timeouts

SECONDS = st.floats(0, LONGEST_S)


# A device that delivers no frames


@given(st.floats(1e-6, 1000), SECONDS, SECONDS)
def test_a_device_is_muted_before_it_is_given_up_whatever_its_rate(rate: float, first: float, then: float) -> None:
    timeouts = FrameTimeouts.of(rate, Timeouts(first, then))
    assert limits.MUTE_S <= timeouts.mute_s <= timeouts.then_s
    assert timeouts.first_s >= first


def test_a_stall_that_people_may_expect_is_survived() -> None:
    assert FrameTimeouts.of(30, USUAL_TIMEOUTS).then_s > 2.0


def test_a_mute_is_noticed_within_a_second() -> None:
    assert limits.MUTE_S + limits.WATCH_S <= 1.0


def test_a_device_that_is_added_is_looked_at_before_it_could_be_muted() -> None:
    assert limits.WATCH_S <= limits.CALM_S < limits.MUTE_S


def test_a_program_that_stood_still_mutes_no_device() -> None:
    """Between two checks that count as timely, a device cannot miss enough frames to be muted."""
    assert limits.CALM_S + limits.STOOD_S <= limits.MUTE_S


def test_filler_frames_come_while_a_cut_can_still_wait_for_them() -> None:
    """A cut waits for a camera's next frame for LEAD_US: the filler frames of a silent camera must come before."""
    first_filler_us = (limits.MUTE_S + limits.WATCH_S) * MICROSECONDS + limits.FILL_BEHIND_US
    assert first_filler_us < limits.LEAD_US


def test_an_encoder_does_not_call_a_camera_silent_that_a_cut_waits_for() -> None:
    assert limits.MAX_LAG_US < limits.LEAD_US


# A driver that does not respond


def test_a_hanging_driver_hides_no_other() -> None:
    assert USUAL_TIMEOUTS.first_s > limits.LISTING_S


def test_a_call_to_a_sound_library_gets_its_own_answer() -> None:
    assert USUAL_TIMEOUTS.first_s >= limits.SOUND_ASKED_S
    assert USUAL_TIMEOUTS.first_s > limits.X_SERVER_S
    assert limits.SOUND_CLOSED_S < limits.STOP_S


def test_a_source_does_not_return_from_its_stop_before_it_counts_as_hanging() -> None:
    """Otherwise nobody would learn that its driver was abandoned."""
    assert limits.STOP_S < limits.SOURCE_STOP_S


def test_a_look_that_hangs_keeps_closing_no_longer_than_a_driver() -> None:
    assert limits.LOOK_CLOSED_S < limits.STOP_S
    assert limits.SERVER_S < limits.SERVER_CLOSED_S


# A device that is gone


def test_a_device_that_is_not_ready_is_tried_again_sooner_than_one_that_is_absent() -> None:
    assert limits.SOON_S < limits.RECONNECT_S


# Queues


def test_an_overload_drops_pictures_before_they_are_too_old_and_never_sound() -> None:
    assert limits.OVERLOAD_SECONDS < limits.VIDEO_QUEUE_SECONDS < limits.AUDIO_QUEUE_SECONDS


# The end of a command


def test_a_recording_that_is_given_up_is_closed_before_the_process_is_ended_by_force() -> None:
    assert limits.ABANDON_S < limits.TIDY_S
    assert limits.STOP_S < limits.TIDY_S
    assert limits.ABANDON_S < limits.FINISH_S
    assert limits.SLEEPS_S < limits.ASLEEP_S < limits.FINISH_S  # whoever waits for the end sees that a reader is abandoned


def test_a_signal_ends_a_command_that_waits_for_a_device_within_two_seconds() -> None:
    assert limits.ANSWER_S < 2.0
    assert limits.GRACE_S < 2.0


def test_a_recording_with_triggers_ends_within_two_seconds_before_it_could_be_given_up() -> None:
    assert limits.TRIGGERED_S < limits.ABANDON_S <= 2.0


def test_a_reader_that_sleeps_is_given_up_before_the_second_sigint_ends_what_hangs() -> None:
    assert limits.SLEEPS_S + limits.READER_S <= limits.GRACE_S
    assert limits.READER_S < limits.SLEEPS_S


def test_what_is_abandoned_at_the_end_takes_no_longer_than_the_end_by_force() -> None:
    assert limits.COMMAND_CLOSED_S + limits.FOLLOWER_CLOSED_S + limits.SOUND_END_S < limits.TIDY_S
    assert limits.WINDOW_CLOSED_S < limits.TIDY_S


def test_what_is_left_to_say_takes_no_longer_than_the_end_by_force() -> None:
    assert LAST_S <= limits.TIDY_S


# The module itself


def test_each_limit_is_used_and_stands_nowhere_else() -> None:
    own = Path(limits.__file__)
    modules = {path: path.read_text(encoding="utf-8") for path in own.parent.parent.rglob("*.py") if path != own}
    names = {name for name in vars(limits) if name.isupper()} - {"LONGEST_S"}
    everywhere = own.read_text(encoding="utf-8") + "".join(modules.values())
    assert {name for name in names if everywhere.count(name) < 2} == set()
    assert {path: assigned(text) & names for path, text in modules.items() if assigned(text) & names} == {}


def assigned(text: str) -> set[str]:
    """Return the names that a module assigns."""
    targets = [target for node in ast.parse(text).body if isinstance(node, ast.Assign) for target in node.targets]
    return {target.id for target in targets if isinstance(target, ast.Name)}

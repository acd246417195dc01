"""The inequalities between time limits. Each test says what breaks without its inequality."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mscli.cli.leaving import LAST_S
from mscli.core import limits
from mscli.core.clock import LONGEST_S, MICROSECONDS
from mscli.core.limits import USUAL_TIMEOUTS, FrameTimeouts, Timeouts
from tests.trees import statements

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


def test_a_recording_does_not_fill_in_for_a_mix_that_waits() -> None:
    assert limits.MIX_LATE_US < limits.MAX_LAG_US


def test_an_encoder_does_not_call_a_camera_silent_that_a_cut_waits_for() -> None:
    assert limits.MAX_LAG_US < limits.LEAD_US


def test_a_driver_that_keeps_failing_is_named_before_its_camera_is_given_up_for_silence() -> None:
    pauses_s = [min(limits.FAILED_S * 2**count, limits.MOST_FAILED_S) for count in range(limits.FAILURES)]
    assert sum(pauses_s) < FrameTimeouts.of(30, USUAL_TIMEOUTS).then_s
    assert limits.MOST_FAILED_S < limits.SOURCE_STOP_S


# A driver that does not respond


def test_a_hanging_driver_hides_no_other() -> None:
    assert USUAL_TIMEOUTS.first_s > limits.LISTING_S


def test_a_call_to_a_sound_library_gets_its_own_answer() -> None:
    assert USUAL_TIMEOUTS.first_s >= limits.SOUND_ASKED_S
    assert USUAL_TIMEOUTS.first_s > limits.X_SERVER_S
    assert limits.SOUND_CLOSED_S < limits.STOP_S


def test_a_source_that_restores_its_display_says_itself_why_it_cannot() -> None:
    """Otherwise it would be abandoned, and the dialogue that the desktop may show would stay."""
    assert USUAL_TIMEOUTS.first_s > limits.PORTAL_S + limits.RESTORED_S


def test_a_user_has_all_the_time_of_the_dialogue() -> None:
    """The portal is asked three times beside it: what it can do, for a session, and for its stream."""
    assert 3 * limits.PORTAL_S <= limits.ADDRESS_SLACK_S


def test_the_session_of_a_display_outlives_a_change_of_its_settings() -> None:
    assert limits.STOP_S < limits.SESSION_KEPT_S


def test_the_end_of_a_stream_is_reported_while_its_source_may_still_stop() -> None:
    assert limits.PORTAL_TELLS_S < limits.STOP_S


def test_a_source_does_not_return_from_its_stop_before_it_counts_as_hanging() -> None:
    """Otherwise nobody would learn that its driver was abandoned."""
    assert limits.STOP_S < limits.SOURCE_STOP_S


def test_a_look_that_hangs_keeps_closing_no_longer_than_a_driver() -> None:
    assert limits.LOOK_CLOSED_S < limits.STOP_S
    assert limits.SERVER_S < limits.SERVER_CLOSED_S


def test_a_device_appears_with_all_its_parts_before_the_next_listing_is_late() -> None:
    assert limits.HINTS_QUIET_S < limits.HINTS_LATEST_S
    assert limits.HINTS_LATEST_S + limits.CHANGES_TOGETHER_S < limits.LISTING_S


# What is at an address


def test_who_waits_for_an_address_hears_of_a_process_that_does_not_start() -> None:
    assert limits.RELAY_STARTS_S < limits.ADDRESS_SLACK_S


def test_a_stream_gets_over_what_had_come_before_it_could_be_muted() -> None:
    assert limits.BACKLOG_US / MICROSECONDS < limits.MUTE_S


def test_no_track_joins_a_stream_that_is_about_to_be_given_up() -> None:
    assert limits.MUTE_S * MICROSECONDS < limits.STREAM_STALLED_US <= USUAL_TIMEOUTS.then_s * MICROSECONDS


def test_a_stream_is_kept_at_least_as_long_as_its_first_track_may_take() -> None:
    assert USUAL_TIMEOUTS.first_s <= limits.STREAM_KEPT_S


# A camera that has just been started


def test_a_camera_is_given_up_for_its_silence_not_for_its_settling() -> None:
    assert USUAL_TIMEOUTS.first_s > limits.SETTLE_S
    assert limits.MUTE_S < limits.PROBE_S < USUAL_TIMEOUTS.first_s


# A device that is gone


def test_a_server_is_asked_no_more_often_than_a_device() -> None:
    assert limits.RECONNECT_S <= limits.SERVER_SOON_S < limits.SERVER_RECONNECT_S


def test_a_device_that_is_not_ready_is_tried_again_sooner_than_one_that_is_absent() -> None:
    assert limits.SOON_S < limits.RECONNECT_S


# Queues


def test_an_overload_drops_pictures_before_they_are_too_old_and_never_sound() -> None:
    assert limits.OVERLOAD_SECONDS < limits.VIDEO_QUEUE_SECONDS < limits.AUDIO_QUEUE_SECONDS


def test_a_paced_track_waits_before_the_others_count_as_behind() -> None:
    assert limits.PACED_LEAD_US < limits.MAX_LAG_US


def test_packets_are_in_order_before_a_track_counts_as_behind() -> None:
    assert limits.INTERLEAVE_US < limits.MAX_LAG_US


def test_a_track_that_is_behind_still_reaches_the_end() -> None:
    """A file of a trigger and a capture of fixed duration wait as long as a track may fall behind."""
    assert limits.BEHIND_US >= limits.MAX_LAG_US
    assert limits.END_LATE_US >= limits.MAX_LAG_US


def test_a_power_cut_loses_at_most_a_second() -> None:
    """What is gathered in memory is written and flushed at once."""
    assert limits.GATHER_S < limits.FILE_GATHER_S == limits.FLUSH_S
    assert limits.GATHER_S + limits.FLUSH_S < 1.0


def test_a_file_whose_header_is_kept_true_gets_at_most_five_writes_in_any_second() -> None:
    """Each time there are two. Of three times that are FLUSH_S apart, the last header comes a second after the first data."""
    assert 2 * limits.FLUSH_S >= 1.0
    assert limits.FLUSH_S <= 0.5, "nothing waits longer than that"


# Other programs


def test_a_terminal_that_says_nothing_mutes_no_camera() -> None:
    assert limits.TERMINAL_S < limits.MUTE_S


def test_a_virtual_camera_is_free_within_two_seconds_of_a_signal() -> None:
    """It may wait for the time of a picture first, and then for its driver."""
    assert limits.CAMERA_WAITS_S + limits.CAMERA_CLOSED_S <= 2.0


def test_a_virtual_camera_shows_pictures_more_often_than_programs_call_a_camera_dead() -> None:
    assert USUAL_TIMEOUTS.then_s > limits.CAMERA_REPEATS_S


def test_a_command_of_exec_is_ended_before_a_recording_that_hangs() -> None:
    assert limits.HOOK_S < limits.FINISH_S


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
    """Return the names that a module or one of its classes assigns."""
    tree = ast.parse(text)
    bodies = [tree.body, *(node.body for node in statements(tree) if isinstance(node, ast.ClassDef))]
    targets = [target for body in bodies for node in body if isinstance(node, ast.Assign) for target in node.targets]
    names = [name for target in targets for name in (target.elts if isinstance(target, ast.Tuple) else [target])]
    return {name.id for name in names if isinstance(name, ast.Name)}


DURATION = re.compile(r"[A-Z_]*(_S|_MS|_US|_SECONDS|_TIMEOUT|_LIMIT)")

NO_LIMITS = {  # durations that limit no wait, by what they are: modules, and the names in each
    "how often a wait looks around, and the longest sleep of one that is woken": """
        api.devicewatch READY_S POLL_S · api.eventthread _LOOK_AGAIN_S · api.mediastreamtrackprocessor _WAIT_S ·
        api.mixing _TICK_S · api.monitoring _TICK_S ·
        api.recording _LOOK_S · cli.capture _WAIT_S · cli.control _POLL_S · cli.eventlog _LOOK_S · cli.hooks _LOOK_S ·
        api.elementmedia _TICK_S · sinks.preview_window TICK_MS · cli.record _TICK_S · cli.shooting _WAIT_S ·
        cli.watch REST_S · core.calls _POLL_S · core.threads _LOOK_S _POLL_S ·
        sinks.files.output _POLL_S · sinks.hosted _POLL_S · sinks.recording.network.publisher _LOOK_S ·
        sources.network.links _LOOK_S · sources.pipe.backend _POLL_MS ·
        sources.screen.xserver _TRY_AGAIN_S · sources.sound.portaudio_library POLL_S ·
        sources.sound.portaudio_stream LOOK_S _LOOK_AGAIN_S · sources.sound.watch RETRIES_S ·
        sources.v4l2.stream LOOK_AGAIN_MS RATE_LOOK_US""",
    "times of frames: their lengths and distances, and how far they may be off": """
        api.audiocontext _LATENCIES_S _LEAST_S _MOST_S · api.audionodes LONGEST_S ·
        api.elementcapture _MOST_SILENCE_US · api.elementmedia _LATE_US · api.mediaelement _STEP_US ·
        api.monitoring LATENCY_S · api.soundoutput TARGET_S LOW_TARGET_S MOST_S ·
        cli.series _SOUND_ENDS_S ·
        core.timing EARLY_US LATE_US STALE_US SHORTEST_US LONGEST_US SPREAD_US ARRIVAL_GAP_US LOST_SLACK_US SOUND_GAP_US
        SLOWER_US ·
        core.drift WINDOW_US LEAST_OFF_US FAST_US LONG_US FORGET_US · core.references _USUAL_US ·
        core.window JITTER_US PAST_US ·
        encode.codecs FRAGMENT_US _FILM_FRAGMENT_US _UNITS_US ·
        encode.tuning USUAL_KEY_INTERVAL_S ·
        encode.video _CORE_PIXELS_S _HELD_S _REPEAT_US ·
        media.mixing _LEAST_S _MOST_S · media.timeline FORGET_S RUNAWAY_US MEASURE_S UNHEARD_S CORRECTED_S SILENT_PIECE_S ·
        sinks.recording.segments _PUSH_US _SAME_MARK_US · sources.device EARLY_SOUND_US · sources.fake.backend LATE_US ·
        sources.fake.description JITTERS_MS · sources.feed _STALLED_US _JUMP_US GAP_US ·
        sources.file.player _SEAM_US _EARLIER_US · sources.network.relay JITTER_US · sources.screen.stream STILL_US ·
        sources.screen.wayland _LATE_US ·
        sources.packettimes _HASTY_US OFF_US REORDERED_US ALIKE_US APART_US ·
        sources.network.feeds _BETTER_US _STEADY_US _BEGINNING_US JUMP_US _BACK_US ·
        sources.sound.portaudio STEADY_S · sources.sound.portaudio_stream BLOCK_S ·
        sources.sound.sampleclock OLDEST_US WINDOW_S GAP_S CONFIRM_S STEADY_S STEP_US ·
        sources.v4l2.order _FIRST_EARLY_US _APART_US · sources.streams MOST_GAP_US _STEP_US _ALIKE_US AHEAD_US ·
        webaudio.compressor LOOK_AHEAD_S _FALL_S · webaudio.line _MOST_S _LATE_S""",
    "what people are shown, and when": """
        api.mediaelement _UPDATE_US · api.preview _TOLD_S _GATHER_S · api.recording LEAST_S THROUGHPUT_S ·
        cli.record LEAST_LAPSE_S · cli.report NOTED_SILENCE_S SPELT_S ·
        cli.shooting CLOSE_ABOVE_S _GATHER_S · sinks.recording.network.publisher _RECENT_S ·
        sinks.recording.network.publish_child _OFTEN_S · sinks.recording.playlist LEAST_S WITHOUT_PICTURE_S ·
        cli.status _SHORT_S · core.level _HELD_US · core.motion STILL_US · core.log BURST_S ·
        sources.screen.stream POINTER_SHOWN_US""",
    "units": "api.mediastreamtrack _MS · core.quantities _SECONDS · core.clock DAY_S LONGEST_S · sources.network.relay _MS",
    "a limit in a module that is imported before anything else": "cli.leaving LAST_S",
}


def test_no_time_limit_stands_elsewhere() -> None:
    """A new constant that limits a wait belongs into ``limits.py``. Any other is listed above."""
    known = [part.split() for listed in NO_LIMITS.values() for part in listed.split("·")]
    elsewhere = {(module, name) for module, *names in known for name in names}
    top = Path(limits.__file__).parent.parent
    found = {
        (".".join(path.relative_to(top).with_suffix("").parts), name)
        for path in top.rglob("*.py")
        if path != Path(limits.__file__)
        for name in assigned(path.read_text(encoding="utf-8"))
        if DURATION.fullmatch(name)
    }
    assert found - elsewhere == set()
    assert elsewhere - found == set()


TIMED = ("timeout", "timeout_s", "limit_s")  # arguments that bound a wait
WAITS = ("wait", "join", "acquire", "read")  # methods whose first argument does


def test_no_wait_is_bounded_by_a_number() -> None:
    """A limit that is written where it is used has no name to compare with others."""
    top = Path(limits.__file__).parent.parent
    wrong = [
        f"{path.relative_to(top)}:{node.lineno}: {ast.unparse(node)}"
        for path in top.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for value in bounds(node)
        if isinstance(value, ast.Constant) and isinstance(value.value, float)
    ]
    assert wrong == []


def bounds(call: ast.Call) -> list[ast.expr]:
    """Return the arguments of a call that bound how long it waits."""
    is_wait = isinstance(call.func, ast.Attribute) and call.func.attr in WAITS
    return [*(call.args[:1] if is_wait else []), *(word.value for word in call.keywords if word.arg in TIMED)]

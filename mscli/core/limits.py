"""The time limits for what may hang, and the policy for devices that stall or disappear.

``tests/unit/test_limits.py`` checks the inequalities between them, and that no time limit stands elsewhere. It lists the other
constants: how often a wait looks around, times of media, and ``LAST_S`` of ``mscli.cli.leaving``, which is imported before
anything else.
"""

from __future__ import annotations

from mscli.core.clock import LONGEST_S
from mscli.core.errors import ArgumentError
from mscli.core.tuples import NamedTuple

# A device that delivers no frames

MUTE_S = 0.8  # a device is muted after this time without a frame, or after SLOW_FRAMES frame durations if that is longer
SLOW_FRAMES = 3
WATCH_S = 0.1  # the interval between checks of a stalled device: the pace of filler frames
CALM_S = 0.3  # the interval between checks while frames arrive; also the delay before the first check of a new device
STOOD_S = 0.5  # a check that is this late means that the whole program was stopped (SIGSTOP): no device is to blame
CLOSE_US = 1000  # the smallest distance between crowded frames: Matroska cannot resolve less
FILL_BEHIND_US = 100_000  # how far filler frames stay behind the present: the next real frame may have been captured already

# A driver that does not respond

LISTING_S = 2.0  # the limit for drivers to describe their device nodes; a sleeping camera may need half a second
SOUND_ASKED_S = 5.0  # the limit for PortAudio to open or start a device
SOUND_CLOSED_S = 0.7  # the limit for PortAudio to close a device before it is abandoned
STOP_S = 1.0  # the limit for a driver to release its device before it is abandoned
SOURCE_STOP_S = 2.0  # the limit for a source's own thread to end: longer, so that a hanging driver is noticed and reported
LOOK_CLOSED_S = 0.7  # the limit for a device listing that hangs while the devices are being closed
X_SERVER_S = 4.0  # the limit for an X server to let us connect
PORTAL_S = 2.5  # the limit for the portal of a desktop to answer what it need not ask the user
DIALOGUE_S = 120.0  # how long the user has to choose a screen in the dialogue of the desktop
RESTORED_S = 1.5  # the limit for the portal to restore an earlier choice while a source is opened again: nobody is asked then
PORTAL_TELLS_S = 0.5  # how long after the end of a stream the portal may take to say that the user has ended it
SESSION_KEPT_S = 2.0  # how long a session of the portal outlives its source, which may be opened again with other settings
SERVER_S = 1.0  # the limit for a sound server to answer
SERVER_CLOSED_S = 1.2 * SERVER_S  # the limit for the thread that asks the server to end
ADDRESS_SLACK_S = 10.0  # how long importing and reporting what is at an address may take, on top of the time for its server
RELAY_STARTS_S = 3.0  # how long the process that reads a stream may take to start, on top of the time for its server
BACKLOG_US = 500_000  # how long a live stream may take to read what had come before its start
PROBE_S = 3.0  # how long --probe waits for a frame
SETTLE_S = 2.0  # how long a camera that was just started may take to settle
DECODED_S = 2.0  # how long a wait between two pictures may be in which chunks are decoded that the next ones build on
LOOKED_S = 2.0  # how much of the time between two unusable frames counts: in a longer time the program stood still

# A camera whose driver fails to hand over frames (EIO), which may pass

FAILURES = 8  # the failures in a row after which the camera is given up
FAILED_S = 0.02  # the pause after the first failure; it doubles up to MOST_FAILED_S
MOST_FAILED_S = 0.4

# A device that is gone

RECONNECT_S = 0.5  # the interval between attempts to reconnect if no notification arrives
SOON_S = 0.05  # the delay before a device that is present but not ready is tried again; it doubles up to RECONNECT_S
SERVER_SOON_S = 0.5  # the delay before a server is tried again; it doubles up to SERVER_RECONNECT_S
SERVER_RECONNECT_S = 8.0
STREAM_STALLED_US = 2_000_000  # a stream from which nothing has come for longer may be dead: no further track joins it
STREAM_KEPT_S = 5.0  # a stream that has waited for its first track for longer is old, and may have been dropped by its server

# Devices that come and go

HINTS_QUIET_S = 0.1  # a camera and its microphone appear in several steps; list the devices once it has been quiet this long
HINTS_LATEST_S = 0.4  # but at the latest this long after the first hint
CHANGES_TOGETHER_S = 0.2  # how long one backend's change waits for listings of the others, to become one event

# Queues and recordings

OVERLOAD_SECONDS = 0.25  # how far an overloaded reader is kept behind the present
VIDEO_QUEUE_SECONDS = 2  # how long video frames wait for a late reader
AUDIO_QUEUE_SECONDS = 30  # how long sound waits: never less than video frames, whatever the reader is busy with
MAX_LAG_US = 1_000_000  # how far a track may fall behind the other tracks of its recording
OTHERS_BEGIN_US = MAX_LAG_US  # how long an encoding waits for the first frames of tracks that only others have
KEPT_SOUND_US = 2 * MAX_LAG_US  # how long encoded sound is kept for an output that is added: a video encoder holds back less
PACED_LEAD_US = MAX_LAG_US // 2  # how far a track that waits for its readers may be ahead of the others
INTERLEAVE_US = 400_000  # how long a track's packets wait for those of another track
MIX_LATE_US = 400_000  # how long a mix waits for the sound of one of its tracks
BEHIND_US = 1_000_000  # how late a track's last packets for the file of a trigger may come
END_LATE_US = 1_000_000  # how long past its end a stalled track may delay a capture of fixed duration
GATHER_S = 0.2  # how long audio and encoded video may wait for each other before they are written
FILE_GATHER_S = 0.5  # how long a small piece of a file may wait in memory, and how far apart such writes are at least
FLUSH_S = 0.5  # the same for the thread that then flushes the file to the disk
# how long a camera's next frame determines where a file is cut: as long as filler frames may take
LEAD_US = MAX_LAG_US + 250_000
TRIGGERED_S = 1.0  # how long a recording that ends waits for the files of its triggers
FINISH_S = 30.0  # how long an encoder may take to write captured frames before it is abandoned
ABANDON_S = 2.0  # the same, if the captured frames are being discarded
ASLEEP_S = 5.0  # a reader that takes nothing for this long is abandoned once all other outputs are written
ENCODER_RESTS_S = 5.0  # how long an encoder's threads may be busy with a picture that it has returned
# a server that a recording is published to
PUBLISH_STARTS_S = 3.0  # how long the process that publishes may take to start, on top of the time for its server
PUBLISH_CONNECT_S = 5.0  # how long a server may take to accept a stream
PUBLISH_STALLED_S = 5.0  # a server that takes nothing for this long while packets wait is left, and tried again
PUBLISHED_S = 5.0  # a connection that held for this long was one: after its loss, the attempts begin with the shortest pause
PUBLISH_FINISH_S = 5.0  # how long a server may take at the end to take what waits
PUBLISH_LEAVES_S = 1.0  # the same after a signal
PUBLISH_LAG_US = 1_000_000  # how far a server may be behind before the bit rate is lowered
PUBLISH_DROP_US = 3_000_000  # what waits for longer is left out, up to the next key frame
PUBLISH_LOWERED_S = 1.0  # the interval between two steps down with the bit rate
PUBLISH_RAISED_S = 5.0  # the interval between steps up
PLUGIN_S = 10.0  # how long a sink of another package may take for one call before it is abandoned
CHANGE_S = 5.0  # how long adding or removing an output of a recording may take

# Other programs

CLIENT_SLEEPS_S = 5.0  # a client of --control that reads no answer for this long is dropped
WINDOW_OPENED_S = 20.0  # the limit for loading OpenCV and opening the preview window, on a slow machine
WINDOW_CLOSED_S = 1.0  # the limit for closing the preview window
MOTION_LOOKED_S = 0.5  # how often a watch for motion without frames looks whether it is over
MOTION_CLOSED_S = 1.0  # the limit for looking at the last picture at the end
RING_WRITER_S = 1.0  # how often a reader of a ring without frames looks whether its writer is alive
RING_POLL_S = 0.0005  # how often a reader of a ring looks for a frame, on systems where it cannot be woken
VIEWER_SLEEPS_S = 10.0  # a viewer of --preview web that takes nothing for this long is dropped
WEB_REQUEST_S = 2.0  # how long a browser may take to send a request
WEB_FRAME_S = 5.0  # how long a request for a picture waits for one
WEB_CLOSED_S = 1.0  # the limit for closing the page of a preview
PREVIEW_CLOSED_S = 2.0  # the limit for a preview to show its last picture at the end
TERMINAL_S = 0.1  # how long a terminal may take to say what it can
HOOK_S = 10.0  # how long a command of --exec may run after the last picture

CAMERA_REPEATS_S = 1.0  # how long the last picture of a virtual camera is shown before it is shown again, at the lowest rate
CAMERA_WAITS_S = 1.0  # how long a virtual camera waits for the time of a picture; a longer gap in the times is cut short
CAMERA_CLOSED_S = 1.0  # the limit for showing the last picture at the end

# The end of a command

COMMAND_CLOSED_S = 0.5  # the limit for a line of --control that is being obeyed at the end; after that it is abandoned
FOLLOWER_CLOSED_S = 0.5  # the limit for the first device listing of --events; after that it is abandoned
SOUND_END_S = 0.25  # the limit for a call to PortAudio at the exit of the program, and for its callbacks

ANSWER_S = 1.0  # how long a device that is being queried or opened has after a signal before it is abandoned
GRACE_S = 1.0  # from the second SIGINT to the KeyboardInterrupt
TIDY_S = 3.0  # from that to the forced exit: longer than closing an abandoned recording takes
READER_S = 0.25  # the interval between checks for stalled readers, after the first signal
SLEEPS_S = 0.75  # a reader that takes nothing for this long while data waits counts as stalled


class Timeouts(NamedTuple):
    """The times that a device may go without a frame, in seconds."""

    first_s: float = 5.0  # until its first frame, and for any response of its driver
    then_s: float = 2.0  # until the next frame, counted from when the device is muted


USUAL_TIMEOUTS = Timeouts()


class FrameTimeouts(NamedTuple):
    """The same times for one device, which depend on its rate."""

    mute_s: float  # until it is muted
    first_s: float  # until it is given up, before its first frame
    then_s: float  # until it is given up, after that

    @classmethod
    def of(cls, rate: float, timeouts: Timeouts) -> FrameTimeouts:
        """Return the limits of a device with this rate (frames per second): a slow one has more time."""
        slow_s = SLOW_FRAMES / rate
        mute_s = max(MUTE_S, slow_s)
        return cls(mute_s, max(timeouts.first_s, slow_s), mute_s + max(timeouts.then_s, slow_s))


class ReconnectPolicy(NamedTuple):
    """A policy for a device that stalls or disappears."""

    timeouts: Timeouts = USUAL_TIMEOUTS
    reconnect_s: float = 0.0  # how long to wait for the same device
    fallback: bool = False  # whether to switch to another device after that

    @classmethod
    def asked(
        cls, timeout_s: tuple[float, float] = USUAL_TIMEOUTS, reconnect_s: float = 0.0, *, fallback: bool = False
    ) -> ReconnectPolicy:
        """Return a policy with the caller's values. Raises TypeError for seconds that are not between 0 and ``LONGEST_S``."""
        for name, seconds in (*(("timeout_s", each) for each in timeout_s), ("reconnect_s", reconnect_s)):
            if not 0 <= seconds <= LONGEST_S:
                raise ArgumentError(f"{name} must be from 0 to {LONGEST_S} seconds, not {seconds}")
        return cls(Timeouts(*timeout_s), reconnect_s, fallback)

"""A recorder whose events run when a check runs them, like the tasks of a page."""

from __future__ import annotations

import time
from typing import Any

import mscli
from mscli.core.eventloop import EventLoop
from tests.conformance.checklist import CAMERAS, MICROPHONES, Room
from tests.untyped import untyped

TIMEOUT_S = 20.0
EVERY_KIND = (("audio",), ("video",), ("audio", "video"))


class Recorded:
    """A stream of these kinds, its recorder, and the recorder's events with its state and MIME type at each."""

    def __init__(self, room: Room, *kinds: str, camera: dict[str, Any] | None = None, **options: Any) -> None:
        self.tasks = EventLoop()
        self.devices = room.devices({**CAMERAS[1], **(camera or {})}, MICROPHONES[0], tasks=self.tasks)
        self.stream = self.devices.get_user_media(untyped({kind: {"width": 320} for kind in kinds or ("video",)}))
        self.recorder = mscli.MediaRecorder(self.stream, options)
        self.events: list[Any] = []
        self.states: list[str] = []
        self.mime_types: list[str] = []
        for name in self.recorder.EVENTS:
            self.recorder.add_event_listener(name, self._note)

    @property
    def types(self) -> list[str]:
        """Return the events so far."""
        return [event.type for event in self.events]

    def run_until(self, name: str, count: int = 1) -> Any:
        """Run tasks until this many events of a name were fired. Return the last. Fail if they do not come."""
        deadline = time.monotonic() + TIMEOUT_S
        while self.types.count(name) < count:
            assert time.monotonic() < deadline, f"{name} was not fired, only {self.types}"
            self.tasks.wait(0.05)
        return [event for event in self.events if event.type == name][-1]

    def wait_for_a_frame(self) -> None:
        """Wait until something was recorded."""
        deadline = time.monotonic() + TIMEOUT_S
        assert self.recorder.recording is not None
        while not self.recorder.recording.counts[0].frames:
            assert time.monotonic() < deadline, "nothing was recorded"
            self.recorder.recording.join(0.01)

    def run_to_the_end(self) -> list[str]:
        """Run tasks until nothing can follow. Return the events."""
        self.devices.close()
        self.tasks.run_tasks()
        return self.types

    def stop_tracks(self) -> None:
        """Stop every track."""
        for track in self.stream.get_tracks():
            track.stop()

    def _note(self, event: mscli.Event) -> None:
        self.events.append(event)
        self.states.append(self.recorder.state)
        self.mime_types.append(self.recorder.mime_type)

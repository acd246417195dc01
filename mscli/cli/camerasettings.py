"""Save a camera's controls to a file, and return them at the end to what they were before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mscli.core.controls import controls_in
from mscli.core.errors import DOMException
from mscli.core.properties import VIDEO
from mscli.sinks import write_file

if TYPE_CHECKING:
    from mscli.api.getusermedia import Choice
    from mscli.api.mediastreamtrack import MediaStreamTrack


class CameraSettings:
    """The controls of the cameras of a run. ``save_to``: a file for them, or "". ``restores``: whether they go back.

    The file is a ``MediaStreamConstraints`` object, which --constraints takes.
    """

    def __init__(self, save_to: str, *, restores: bool, warn: Callable[[str], object]) -> None:
        self._save_to, self._restores, self._warn = save_to, restores, warn
        self._before: dict[str, dict[str, Any]] = {}  # controls by deviceId

    def note(self, choices: Sequence[Choice]) -> None:
        """Note the controls before the chosen cameras are opened."""
        for choice in choices:
            if choice.kind == VIDEO:
                self._before.setdefault(choice.device.device_id, dict(choice.selection.box.kept))

    def finish(self, tracks: Sequence[MediaStreamTrack]) -> None:
        """Save and restore the controls of the cameras that are still open."""
        cameras = [track for track in tracks if track.kind == VIDEO and track.ready_state == "live"]
        if self._save_to and cameras:
            self._save(cameras[0])
        for track in cameras if self._restores else ():
            now = controls_in(track.current_settings)
            before = self._before.get(track.get_settings()["deviceId"], {})
            changed = {name: before[name] for name in now if name in before and before[name] != now[name]}
            try:
                track.set_controls(changed)
            except DOMException as error:
                self._warn(f"the controls of {track.source_name} could not be restored: {error}")

    def _save(self, track: MediaStreamTrack) -> None:
        """Write the file as a whole. Raises OperationError."""
        import json

        text = json.dumps({"video": controls_in(track.current_settings)}, indent=2) + "\n"
        write_file(self._save_to, text.encode())

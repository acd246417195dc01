"""``mscli capabilities``: what a device can be set to."""

from __future__ import annotations

import sys
from typing import Any

import click

from mscli.api.mediadeviceinfo import InputDeviceInfo
from mscli.api.mediadevices import MediaDevices
from mscli.cli.completion import complete_device
from mscli.cli.opening import open_devices
from mscli.cli.printable import json_text
from mscli.cli.resolve import resolve_device
from mscli.cli.shared import Shared, shared_options
from mscli.cli.signals import Stopper
from mscli.core.clock import MICROSECONDS
from mscli.core.errors import DOMException
from mscli.sources.base import AUDIO_INPUT, VIDEO_INPUT

PROBE_FRAMES = 20  # how many frames of a mode are timed
PROBE_S = 3.0  # and for how long at most

Answer = tuple[InputDeviceInfo, dict[str, Any], list[dict[str, Any]]]  # a device, its capabilities and its modes


@click.command("capabilities", short_help="Show what a device can be set to, and its native modes.")
@click.argument("device", required=False, shell_complete=complete_device(VIDEO_INPUT, AUDIO_INPUT))
@click.option("--probe", is_flag=True, help="Start every mode and measure its frames per second.")
@shared_options
def command(shared: Shared, device: str | None, probe: bool) -> int:
    """Show what DEVICE can be set to, and a camera's native modes. Without DEVICE: the default camera, else the microphone.

    \b
    mscli capabilities
    mscli capabilities /dev/video2 --json
    """
    with Stopper(lambda: None) as stopper, open_devices(shared) as devices:
        answer = stopper.wait_for(lambda: _ask(devices, device, probe=probe))
    _show(answer, as_json=shared.json)
    return 0


def _ask(devices: MediaDevices, name: str | None, *, probe: bool) -> Answer:
    info = _choose(devices, name)
    capabilities, modes = info.get_capabilities(), info.get_modes()
    if probe:
        modes = [{**mode, "measuredFrameRate": measure(devices, info.device_id, mode)} for mode in modes]
    return info, capabilities, modes


def _show(answer: Answer, *, as_json: bool) -> None:
    info, capabilities, modes = answer
    if as_json:
        print(json_text({**info.to_json(), "capabilities": capabilities, "modes": modes}, sys.stdout))  # noqa: T201
        return
    from mscli.cli.tables import show_capabilities

    show_capabilities(info, capabilities, modes)


def _choose(devices: MediaDevices, name: str | None) -> InputDeviceInfo:
    infos = [info for info in devices.enumerate_devices([VIDEO_INPUT]) if isinstance(info, InputDeviceInfo)]
    if name is None and infos:
        return infos[0]
    infos += [info for info in devices.enumerate_devices([AUDIO_INPUT]) if isinstance(info, InputDeviceInfo)]
    if name is not None:
        return resolve_device(name, infos)
    if not infos:
        raise devices.missing([VIDEO_INPUT, AUDIO_INPUT])
    return infos[0]


def measure(devices: MediaDevices, device_id: str, mode: dict[str, Any]) -> float | None:
    """The frames per second that a mode really gives; None if it is no single mode or gives no frames."""
    if any(isinstance(mode[name], dict) for name in ("width", "height", "frameRate")):
        return None
    from mscli.api.mediastreamtrackprocessor import MediaStreamTrackProcessor

    exact = {name: {"exact": mode[name]} for name in ("width", "height", "frameRate")}
    constraints = {"video": {"deviceId": {"exact": device_id}, **exact}}
    try:
        track = devices.get_user_media(constraints, pixel_formats=[mode["pixelFormat"]]).get_video_tracks()[0]
    except DOMException:
        return None
    with MediaStreamTrackProcessor({"track": track}).readable as frames:
        stamps: list[int] = []
        while len(stamps) <= PROBE_FRAMES and (frame := frames.read(PROBE_S)) is not None:
            stamps.append(frame.timestamp)
    track.stop()
    return round((len(stamps) - 1) * MICROSECONDS / (stamps[-1] - stamps[0]), 3) if len(stamps) > 1 else None

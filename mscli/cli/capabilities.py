"""``mscli capabilities``: show what a device can do."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from mscli.api.mediadeviceinfo import InputDeviceInfo
from mscli.api.mediadevices import MediaDevices
from mscli.cli.opening import open_devices
from mscli.cli.printable import json_text
from mscli.cli.resolve import find_devices
from mscli.cli.say import Voice
from mscli.cli.shared import Shared
from mscli.cli.signals import Stopper
from mscli.core.clock import MICROSECONDS
from mscli.core.errors import DOMException
from mscli.core.limits import PROBE_S
from mscli.core.tuples import NamedTuple
from mscli.sources.base import AUDIO_INPUT, USUAL_INPUT, VIDEO_INPUT, InputOptions

PROBE_FRAMES = 20  # how many frames of a mode to time


class DeviceDetails(NamedTuple):
    """A device and what it can do."""

    info: InputDeviceInfo
    capabilities: dict[str, Any]
    modes: list[dict[str, Any]]
    unusable: list[dict[str, str]]
    controls: dict[str, dict[str, Any]]


def run(shared: Shared, device: str | None, address: str | None, probe: bool, insecure: bool) -> int:
    """Show the device, or what is at the address, and return the exit code."""
    if device and address:
        raise click.UsageError(f"--input names what to show, so leave out {device}")
    with Stopper(lambda: None) as stopper, open_devices(shared, warn=Voice(shared).warn) as devices:
        reading = USUAL_INPUT._replace(insecure=insecure)
        choose = partial(_choose, devices, device or address, reading)
        answers = stopper.wait_for(lambda: [_ask(devices, info, probe=probe) for info in choose()])
    _show(answers, as_json=shared.json)
    return 0


def _ask(devices: MediaDevices, info: InputDeviceInfo, *, probe: bool) -> DeviceDetails:
    capabilities, modes = info.get_capabilities(), info.get_modes()
    if probe:
        modes = [{**mode, "measuredFrameRate": measure(devices, info.device_id, mode)} for mode in modes]
    return DeviceDetails(info, capabilities, modes, info.get_unusable(), info.get_controls())


def _show(answers: Sequence[DeviceDetails], *, as_json: bool) -> None:
    if as_json:
        first, *sound = map(_to_json, answers)
        print(json_text(first | ({"sound": sound[0]} if sound else {}), sys.stdout))  # noqa: T201
        return
    from mscli.cli.tables import show_capabilities

    for answer in answers:
        show_capabilities(answer.info, answer.capabilities, answer.modes, answer.unusable, answer.controls)


def _to_json(answer: DeviceDetails) -> dict[str, Any]:
    more = {name: part for name, part in (("unusable", answer.unusable), ("controls", answer.controls)) if part}
    return {**answer.info.to_json(), "capabilities": answer.capabilities, "modes": answer.modes, **more}


def _choose(devices: MediaDevices, name: str | None, reading: InputOptions) -> list[InputDeviceInfo]:
    """Return the device with this name, the first video and the first sound at this address, or the default device."""
    if name is not None:
        found = [
            info
            for info in find_devices(devices, name, VIDEO_INPUT, AUDIO_INPUT, options=reading)
            if isinstance(info, InputDeviceInfo)
        ]
        firsts = (next((info for info in found if info.kind == kind), None) for kind in (VIDEO_INPUT, AUDIO_INPUT))
        return [info for info in firsts if info is not None]
    infos = [info for info in devices.enumerate_devices([VIDEO_INPUT]) if isinstance(info, InputDeviceInfo)]
    if infos:
        return infos[:1]
    infos += [info for info in devices.enumerate_devices([AUDIO_INPUT]) if isinstance(info, InputDeviceInfo)]
    if not infos:
        raise devices.missing([VIDEO_INPUT, AUDIO_INPUT])
    return infos[:1]


def measure(devices: MediaDevices, device_id: str, mode: dict[str, Any]) -> float | None:
    """Return a mode's actual rate in frames per second, or None if it is not a single mode or delivers no frames."""
    if any(isinstance(mode[name], dict) for name in ("width", "height", "frameRate")):
        return None
    from mscli.api.mediastreamtrackprocessor import MediaStreamTrackProcessor

    exact = {name: {"exact": mode[name]} for name in ("width", "height", "frameRate")}
    constraints: Any = {"video": {"deviceId": {"exact": device_id}, **exact}}
    try:
        track = devices.get_user_media(constraints, pixel_formats=[mode["pixelFormat"]]).get_video_tracks()[0]
    except DOMException:
        return None
    with MediaStreamTrackProcessor({"track": track, "encoded": True}).readable as frames:
        stamps: list[int] = []
        while len(stamps) <= PROBE_FRAMES and (frame := frames.read(PROBE_S)) is not None:
            stamps.append(frame.timestamp)
    track.stop()
    return round((len(stamps) - 1) * MICROSECONDS / (stamps[-1] - stamps[0]), 3) if len(stamps) > 1 else None

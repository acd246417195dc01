"""Microphones and speakers through PortAudio, under the names that the sound server and the kernel give them.

https://files.portaudio.com/docs/v19-doxydocs/. Where a sound server runs, its sources and sinks are the devices: PortAudio has
them all behind its one device ``pulse``, and ``mscli.sources.pulse`` tells them apart. Elsewhere they are the sound cards, by
the kernel's list (PortAudio's leaves out what another program uses), and what PortAudio lists beside them.
https://docs.kernel.org/sound/designs/procfile.html
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NoReturn

from mscli.core.boxes import Scalar, Span, Values
from mscli.core.errors import DOMException, NotAllowedError, NotFoundError, NotReadableError, NotSupportedError
from mscli.sources import pulse
from mscli.sources.base import AUDIO_INPUT, AUDIO_OUTPUT, DEVICE_KINDS, Abilities, Backend, Device, Request, Source
from mscli.sources.identity import attribute, group_id, physical_device, stable_id
from mscli.sources.portaudio_library import (
    BUSY,
    LIBRARY,
    PATIENCE_S,
    PROCESSING,
    RESTART,
    SAMPLE_TYPES,
    Handle,
    Listed,
)

NAME = "portaudio"
SERVERS = ("pulse", "pipewire")  # what a sound server is in PortAudio's list: ALSA's plug-ins for them, the usual one first
DIRECTIONS = {AUDIO_INPUT: "input", AUDIO_OUTPUT: "output"}
USUAL_RATES = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 176400, 192000)  # Hz
MOST_CHANNELS = 32  # ALSA's plug-ins offer any number
STEADY_S = 0.1  # a latency that survives a busy machine
DEFAULTS: Mapping[str, Scalar] = {"sampleRate": 48000, "channelCount": 1, "sampleSize": 16, "latency": STEADY_S}

# ALSA's plug-ins, which stand for hardware that is listed already: https://www.alsa-project.org/alsa-doc/alsa-lib/pcm_plugins.html
_PLUGINS = re.compile(
    r"sysdefault|front|rear|side|center_lfe|surround\d+|hdmi|iec958|spdif|modem|phoneline|dmix|dsnoop|null|oss|jack|pulse"
    r"|lavrate\w*|samplerate\w*|speexrate\w*|speex|upmix|vdownmix|a52|usb_stream"
)
_HARDWARE = re.compile(r"hw:(\d+),(\d+)")
_CARDS, _CARD = "/proc/asound/cards", re.compile(r"^ *(\d+) \[.*?\]: .*? - (.*)$", re.MULTILINE)
_PCMS, _PCM = "/proc/asound/pcm", re.compile(r"^(\d+)-(\d+): .*? : (.*?) :", re.MULTILINE)
_BUS_NUMBER = re.compile(r"(?<=/usb)\d+(?=/)|(?<=/)\d+(?=-\d)")  # in …/usb1/1-2: given out in the order of probing


class PortAudioBackend(Backend):
    """The microphones and speakers of this system."""

    name = NAME

    def __init__(self) -> None:
        self._abilities: dict[str, Abilities] = {}  # by deviceId: what is open cannot be probed

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        """The devices, each kind's default first. None, and ``problem`` says why, where PortAudio is missing."""
        self.problem = ""
        wanted = [kind for kind in DIRECTIONS if kind in kinds]
        try:
            server = _prepare() if wanted else None
            return [device for kind in wanted for device in _listed(kind, server)]
        except DOMException as error:
            self.problem = ": ".join((error.message, *error.hints))
            return []

    def abilities(self, device: Device) -> Abilities:
        """What a microphone or a speaker can be set to. Hardware is tried out; a sound server converts to all usual rates."""
        if device.device_id not in self._abilities:
            values = LIBRARY.bounded(lambda: _values(device, _reach(device)), PATIENCE_S, device.label)
            self._abilities[device.device_id] = Abilities(values=values, resampled=True)
        return self._abilities[device.device_id]

    def open(self, device: Device, request: Request) -> Source:
        """Take a microphone. Raises NotFoundError when it is gone, NotSupportedError for a speaker, else as every backend."""
        if device.kind != AUDIO_INPUT:
            raise NotSupportedError(f"“{device.label}” is a speaker, which cannot be captured")
        return LIBRARY.bounded(partial(_take, device, {**DEFAULTS, **request.settings}), PATIENCE_S, device.label)


def _take(device: Device, wanted: Mapping[str, Scalar]) -> Source:
    from mscli.sources.portaudio_stream import PortAudioSource

    open_stream = partial(LIBRARY.open_input, device.handle, device.label, _reach(device).number)
    return PortAudioSource(device.label, wanted, open_stream, partial(_gone, device))


def _prepare() -> pulse.Server | None:
    """What the sound server has; None where there is none that answers: PortAudio's list is up to date then."""
    try:
        server = pulse.look()
    except (pulse.NoServer, pulse.SilentServer):
        LIBRARY.follow(_read(_PCMS) or object())  # without the kernel's word it may always have changed
        return None
    LIBRARY.require()
    return server


def _listed(kind: str, server: pulse.Server | None) -> list[Device]:
    if server is None:
        return _default_first([*_cards(kind), *_others(kind)])
    return _default_first([_served(node, kind) for node in sorted(_nodes(server, kind), key=_is_monitor)])


def _default_first(devices: list[Device]) -> list[Device]:
    """In order, with exactly one default: the first where none is said to be."""
    ordered = sorted(devices, key=lambda device: not device.default)
    return [device._replace(default=not place) for place, device in enumerate(ordered)]


def _nodes(server: pulse.Server, kind: str) -> Sequence[pulse.Node]:
    return server.sources if kind == AUDIO_INPUT else server.sinks


def _is_monitor(node: pulse.Node) -> bool:
    return bool(node.sink)


def _served(node: pulse.Node, kind: str) -> Device:
    """A source or sink of the sound server. Its name there is made of bus path and serial number."""
    device_id, handle = stable_id("sound server", kind, node.name), Handle(SERVERS, DIRECTIONS[kind], node.name, node.sink)
    return Device(device_id, kind, node.description, _node_group(node), NAME, node.default, node.name, handle)


def _node_group(node: pulse.Node) -> str:
    """The groupId of the card behind it, so that a webcam's halves share it; else a sink and its monitor have one."""
    card = _sysfs(node.card)
    return group_id(card) if node.card and os.path.isdir(card) else stable_id("group", "sound server", node.sink or node.name)


def _cards(kind: str) -> list[Device]:
    """The sound hardware as the kernel lists it, named as PortAudio does."""
    names, pcms = dict(_CARD.findall(_read(_CARDS))), _PCM.findall(_read(_PCMS))
    found = ((names.get(str(int(card)), "sound card"), int(card), int(number), pcm) for card, number, pcm in pcms)
    return [_card(kind, *each) for each in found if os.path.exists(_node_path(kind, *each[1:3]))]


def _card(kind: str, name: str, card: int, number: int, pcm: str) -> Device:
    address, folder = f"hw:{card},{number}", physical_device(_sysfs(card))
    parts = (_BUS_NUMBER.sub("", folder), attribute(folder, "serial"), name, str(number))
    label = f"{name}: {pcm.removeprefix(name).strip() or pcm} ({address})"
    return Device(
        stable_id("sound card", kind, *parts), kind, label, group_id(_sysfs(card)), NAME,
        path=address, handle=Handle((address,), DIRECTIONS[kind]), problem=_denied(_node_path(kind, card, number)),
    )  # fmt: skip


def _sysfs(card: int | str) -> str:
    return f"/sys/class/sound/card{card}"


def _node_path(kind: str, card: int, number: int) -> str:
    return f"/dev/snd/pcmC{card}D{number}{'c' if kind == AUDIO_INPUT else 'p'}"


def _denied(path: str) -> str:
    return "" if os.access(path, os.R_OK | os.W_OK) else f"no permission to open {path}"


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:  # no sound driver, or not Linux
        return ""


def _others(kind: str) -> Iterator[Device]:
    """What PortAudio lists besides hardware and what stands for it: ALSA's default, PCMs of the user's own. Elsewhere, all."""
    for entry in LIBRARY.listed(DIRECTIONS[kind]):
        if not _PLUGINS.fullmatch(entry.name) and not _HARDWARE.search(entry.name):
            device_id, group = stable_id("portaudio", kind, entry.name), stable_id("group", "portaudio", entry.name)
            yield Device(
                device_id, kind, entry.name, group, NAME, entry.default, handle=Handle((entry.name,), DIRECTIONS[kind])
            )


def _there(device: Device) -> bool:
    """Whether the device still exists, as far as that can be known. Raises SilentServer."""
    if device.handle.part:
        return _node(device) is not None
    if _HARDWARE.fullmatch(device.handle.names[0]):
        return any(card.device_id == device.device_id for card in _cards(device.kind))
    return True


def _node(device: Device) -> pulse.Node | None:
    try:
        nodes = _nodes(pulse.look(), device.kind)
    except pulse.NoServer:
        return None
    return next((node for node in nodes if node.name == device.handle.part), None)


def _gone(device: Device) -> bool:
    try:
        return not _there(device)
    except pulse.SilentServer:
        return False


def _reach(device: Device) -> Listed:
    """PortAudio's entry for the device. Raises NotFoundError, NotReadableError, NotAllowedError with the reason."""
    LIBRARY.require()
    try:
        there = _there(device)
    except pulse.SilentServer as error:
        raise NotReadableError(f"“{device.label}” does not answer: the sound server hangs", hints=RESTART) from error
    if not there:
        raise NotFoundError(f"“{device.label}” is no longer there")
    if device.problem:
        raise NotAllowedError(f"“{device.label}”: {device.problem}", hints=["join the group audio: sudo adduser $USER audio"])
    return LIBRARY.find(device.handle) or _unreachable(device)


def _unreachable(device: Device) -> NoReturn:
    """Raise what it means that PortAudio does not list a device that exists."""
    if device.handle.part:
        plugin = "install it with: sudo apt install libasound2-plugins"
        raise NotReadableError(
            f"“{device.label}” belongs to the sound server, and ALSA's plug-in for it is missing", hints=[plugin]
        )
    if _HARDWARE.fullmatch(device.handle.names[0]):
        raise NotReadableError(f"“{device.label}” is in use by another program", hints=BUSY)
    raise NotFoundError(f"“{device.label}” is no longer there")


def _values(device: Device, entry: Listed) -> dict[str, Values]:
    node = _node(device) if device.handle.part else None
    rates, sizes = _probe(device, entry) if node is None else ((*USUAL_RATES, node.rate), (16, 32) if node.wide else (16,))
    channels = min(node.channels if node else entry.channels, MOST_CHANNELS)
    values: dict[str, Values] = {
        "sampleRate": tuple(sorted(set(rates))),
        "channelCount": tuple(range(1, channels + 1)),
        "sampleSize": sizes,
        "latency": Span(max(entry.low_latency, 0.001), max(entry.high_latency, STEADY_S)),
    }
    return values | ({name: (value,) for name, value in PROCESSING.items()} if device.kind == AUDIO_INPUT else {})


def _probe(device: Device, entry: Listed) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The sample rates and sizes that the device takes. Raises NotReadableError when that cannot be tried out."""
    accepts = partial(LIBRARY.accepts, device.handle, device.label, entry.number, channels=1)
    rates = tuple(rate for rate in (entry.rate, *USUAL_RATES) if accepts(samplerate=rate, dtype="int16"))
    if not rates:
        raise NotReadableError(f"“{device.label}” takes none of the usual sample rates")
    sizes = (bits for bits, (dtype, _) in SAMPLE_TYPES.items() if accepts(samplerate=rates[0], dtype=dtype))
    return rates, tuple(sizes)

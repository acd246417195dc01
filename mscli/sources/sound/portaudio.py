"""Microphones and speakers through PortAudio, with the names of the sound server and the kernel.

https://files.portaudio.com/docs/v19-doxydocs/. If a sound server runs, its sources and sinks are the devices. PortAudio only
sees its single device ``pulse``, and ``pulse.py`` distinguishes them. Otherwise the devices are the sound cards from the
kernel's list (PortAudio's list omits those in use), and whatever else PortAudio lists.
https://docs.kernel.org/sound/designs/procfile.html
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NoReturn

from mscli.core.boxes import Scalar, Span, Values, scalars
from mscli.core.errors import DOMException, NotAllowedError, NotFoundError, NotReadableError, NotSupportedError
from mscli.core.limits import SOUND_ASKED_S
from mscli.core.trouble import why_no_sound
from mscli.sources.base import (
    AUDIO_INPUT,
    AUDIO_OUTPUT,
    DEVICE_KINDS,
    Abilities,
    Backend,
    Device,
    Request,
    Source,
    Speaker,
    Watching,
    device_noun,
)
from mscli.sources.displays import find_speaker
from mscli.sources.identity import distinct_ids, group_id, stable_id
from mscli.sources.sound import alsa, pulse
from mscli.sources.sound.portaudio_library import (
    LIBRARY,
    PROCESSING,
    RESTART,
    SAMPLE_TYPES,
    Listed,
    PortAudioHandle,
    busy,
    silence,
)

NAME = "portaudio"
_NO_SERVER = ("what a speaker plays can only be recorded through PulseAudio or PipeWire",)
SERVERS = ("pulse", "pipewire")  # a sound server in PortAudio's list: ALSA's plug-ins for it, the most common one first
DIRECTIONS = {AUDIO_INPUT: "input", AUDIO_OUTPUT: "output"}
USUAL_RATES = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 176400, 192000)  # Hz
MOST_CHANNELS = 32  # ALSA's plug-ins offer any number
STEADY_S = 0.1  # a latency that survives a busy machine
DEFAULTS: Mapping[str, Scalar] = {"sampleRate": 48000, "channelCount": 1, "sampleSize": 16, "latency": STEADY_S}

# ALSA plug-ins for hardware that is listed already: https://www.alsa-project.org/alsa-doc/alsa-lib/pcm_plugins.html
_PLUGINS = re.compile(
    r"sysdefault|front|rear|side|center_lfe|surround\d+|hdmi|iec958|spdif|modem|phoneline|dmix|dsnoop|null|oss|jack|pulse"
    r"|lavrate\w*|samplerate\w*|speexrate\w*|speex|upmix|vdownmix|a52|usb_stream"
)


class PortAudioBackend(Backend):
    """The microphones and speakers of this system."""

    name = NAME

    def __init__(self) -> None:
        self._abilities: dict[str, Abilities] = {}  # by deviceId, because an open device cannot be probed

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        """Return the devices, each kind's default first. If PortAudio is missing, return none and set ``problem``."""
        wanted = [kind for kind in DIRECTIONS if kind in kinds]
        try:
            server = _prepare() if wanted else None
            found = [device for kind in wanted for device in _listed(kind, server)]
        except DOMException as error:
            self.problem = ": ".join((error.message, *error.hints))
            return []
        except pulse.SilentServer:
            self.problem, self.silent = ": ".join(("the sound server does not answer", *RESTART)), True
            return []
        self.silent = False
        self.problem = "" if found or server or not wanted else why_no_sound()
        return found

    def watch(self, notify: Callable[[], object]) -> Watching | None:
        """Watch the kernel's events for sound cards, and those of the sound server."""
        if sys.platform != "linux":
            return None
        from mscli.sources.sound.watch import watch_sound

        return watch_sound(notify)

    def abilities(self, device: Device) -> Abilities:
        """Return what a device can do. Hardware is probed; a sound server converts to all common rates."""
        if device.device_id not in self._abilities:
            self._abilities[device.device_id] = LIBRARY.bounded(lambda: _abilities(device), SOUND_ASKED_S, device.label)
        return self._abilities[device.device_id]

    def open(self, device: Device, request: Request) -> Source:
        """Open a microphone. Raises NotFoundError if it is gone, NotSupportedError for a speaker, and the usual errors."""
        if device.kind != AUDIO_INPUT:
            raise NotSupportedError(f"“{device.label}” is a speaker, which cannot be captured")
        take = partial(_take_served if device.handle.part else _take, device, {**DEFAULTS, **request.settings})
        return LIBRARY.bounded(take, SOUND_ASKED_S, device.label, lambda source: source.stop())

    def open_speaker(self, device: Device, request: Request) -> Speaker:
        """Open a speaker. Raises NotFoundError if it is gone, NotSupportedError for a microphone, and the usual errors."""
        if device.kind != AUDIO_OUTPUT:
            raise NotSupportedError(f"“{device.label}” is a microphone, which plays no sound")
        take = partial(_take_speaker, device, {**DEFAULTS, "channelCount": 2, **request.settings})
        return LIBRARY.bounded(take, SOUND_ASKED_S, device.label, lambda speaker: speaker.stop())


class MonitorBackend(Backend):
    """A backend of what the speaker at an address plays. Sound servers offer it as the monitor of the speaker.

    Raises NotFoundError, NotReadableError.
    """

    name = "monitor"

    def __init__(self, address: str) -> None:
        self._address = address
        self._sound = PortAudioBackend()
        self._find()

    def _find(self) -> Device:
        """Return the microphone that records the speaker."""
        listed = self._sound.devices([AUDIO_OUTPUT, AUDIO_INPUT])
        if self._sound.silent:
            raise NotReadableError(self._sound.problem)
        if not listed and self._sound.problem:
            raise NotFoundError("no speaker found", hints=[self._sound.problem])
        speaker = find_speaker(self._address, [one for one in listed if one.kind == AUDIO_OUTPUT])
        sink = speaker.handle.sink
        monitors = [one for one in listed if one.kind == AUDIO_INPUT and sink and one.handle.sink == sink]
        if not monitors:
            raise NotFoundError(f"what “{speaker.label}” plays cannot be recorded", hints=_NO_SERVER)
        return monitors[0]

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        """Return the device."""
        if AUDIO_INPUT not in kinds:
            return []
        found = self._find()
        return [found._replace(device_id=self._address, backend=self.name, default=False, path=None, handle=found)]

    def abilities(self, device: Device) -> Abilities:
        """Return what it can do."""
        return self._sound.abilities(device.handle)

    def open(self, device: Device, request: Request) -> Source:
        """Open it."""
        return self._sound.open(device.handle, request)


def _take_served(device: Device, wanted: Mapping[str, Scalar]) -> Source:
    """Open a microphone of the sound server."""
    from mscli.sources.sound.pulse_stream import PulseSource

    LIBRARY.require()
    node = _still_there(device)
    assert node is not None, "a part of a sound server"
    return PulseSource(device.label, node, wanted)


def _take(device: Device, wanted: Mapping[str, Scalar]) -> Source:
    from mscli.sources.sound.portaudio_stream import PortAudioSource

    with LIBRARY.unchanged():
        entry, _ = _reach(device)
        open_stream = partial(LIBRARY.open_stream, device.handle, device.label, entry.number)
        with alsa.opened(device.handle.direction) as hardware:
            return PortAudioSource(device.label, wanted, open_stream, partial(_gone, device, hardware))


def _take_speaker(device: Device, wanted: Mapping[str, Scalar]) -> Speaker:
    """Open a speaker, with the settings that it has of the wanted ones."""
    from mscli.sources.sound.portaudio_stream import PortAudioSpeaker

    with LIBRARY.unchanged():
        entry, node = _reach(device)
        values = _values_of(device, entry, node)
        nearest = {name: _nearest_value(values[name], float(wanted[name])) for name in ("sampleRate", "channelCount")}
        open_stream = partial(LIBRARY.open_stream, device.handle, device.label, entry.number)
        with alsa.opened(device.handle.direction) as hardware:
            return PortAudioSpeaker(device.label, {**wanted, **nearest}, open_stream, partial(_gone, device, hardware))


def _nearest_value(values: Values, wanted: float) -> Scalar:
    """Return the smallest value that is no less than the wanted one, or else the largest."""
    numbers = sorted(scalars(values))
    return next((number for number in numbers if number >= wanted), numbers[-1])


def _prepare() -> pulse.Server | None:
    """Return what the sound server has, or None if there is none. Prepares PortAudio's list. Raises SilentServer."""
    try:
        server = pulse.ask_server()
    except pulse.NoServer:
        LIBRARY.follow(alsa.listing(), closely=False)
        return None
    LIBRARY.require()
    return server


def _listed(kind: str, server: pulse.Server | None) -> list[Device]:
    if server is None:
        return _default_first([*_cards(kind), *_others(kind)])
    nodes, ids = _identified(server, kind)
    served = [_served(node, kind, device_id) for node, device_id in zip(nodes, ids, strict=True)]
    if kind == AUDIO_INPUT and any(map(_is_monitor, nodes)):
        sinks, speakers = _identified(server, AUDIO_OUTPUT)
        ids_of = dict(zip((sink.name for sink in sinks), speakers, strict=True))
        served = [one._replace(monitor_of=ids_of.get(one.handle.sink, "")) for one in served]
    return _default_first(served)


def _identified(server: pulse.Server, kind: str) -> tuple[Sequence[pulse.ServerNode], Sequence[str]]:
    """Return the sources or sinks, monitors last, and their deviceIds."""
    nodes = sorted(_nodes(server, kind), key=lambda node: kind == AUDIO_INPUT and _is_monitor(node))
    return nodes, list(distinct_ids(("sound server", kind, *_node_identity(node)) for node in nodes))


def _default_first(devices: list[Device]) -> list[Device]:
    """Return the devices with exactly one default, which comes first. If none is marked, take the first one."""
    ordered = sorted(devices, key=lambda device: not device.default)
    return [device._replace(default=not place) for place, device in enumerate(ordered)]


def _nodes(server: pulse.Server, kind: str) -> Sequence[pulse.ServerNode]:
    return server.sources if kind == AUDIO_INPUT else server.sinks


def _is_monitor(node: pulse.ServerNode) -> bool:
    return bool(node.sink)


def _node_identity(node: pulse.ServerNode) -> tuple[str, ...]:
    """Return what identifies a source or sink: its card and its place on that, or its name if it has no card.

    The server's names of equal cards depend on the order in which they were plugged in.
    """
    if not _is_on_card(node):
        return (node.name,)
    return (*alsa.card_identity(node.card), node.place, "monitor" if _is_monitor(node) else "")


def _is_on_card(node: pulse.ServerNode) -> bool:
    return bool(node.card) and os.path.isdir(alsa.sysfs(node.card))


def _served(node: pulse.ServerNode, kind: str, device_id: str) -> Device:
    """Return the device for a source or sink of the sound server."""
    handle = PortAudioHandle(SERVERS, DIRECTIONS[kind], node.name, node.sink)
    names = (f"/dev/snd/controlC{node.card}",) if _is_on_card(node) and not (kind == AUDIO_INPUT and _is_monitor(node)) else ()
    return Device(
        device_id, kind, node.description, _node_group(node), NAME, node.default, node.name, handle, names=names
    )  # fmt: skip


def _node_group(node: pulse.ServerNode) -> str:
    """Return the groupId of its card, which a webcam's parts share. Without a card, a sink and its monitor share one."""
    return group_id(alsa.sysfs(node.card)) if _is_on_card(node) else stable_id("group", "sound server", node.sink or node.name)


def _cards(kind: str) -> list[Device]:
    """Return the sound hardware in the kernel's list, named as in PortAudio, without what disappears in the meantime."""
    found = alsa.pcms(DIRECTIONS[kind])
    ids = distinct_ids(("sound card", kind, *pcm.identity) for pcm in found)
    cards = [_card(kind, pcm, device_id) for pcm, device_id in zip(found, ids, strict=True)]
    whole = alsa.pcms(DIRECTIONS[kind])  # the kernel removes a device from its list before anything else
    return [card for pcm, card in zip(found, cards, strict=True) if pcm in whole]


def _card(kind: str, pcm: alsa.Pcm, device_id: str) -> Device:
    device = Device(
        device_id, kind, pcm.label, group_id(alsa.sysfs(pcm.card)), NAME,
        path=pcm.address, handle=PortAudioHandle((pcm.address,), pcm.direction), names=pcm.names,
    )  # fmt: skip
    trouble = pcm.trouble()
    return device.troubled(trouble, busy=isinstance(trouble, NotReadableError)) if trouble else device


def _others(kind: str) -> Iterator[Device]:
    """Yield what PortAudio lists besides hardware: ALSA's default and user-defined PCMs. On other systems, everything."""
    for entry in LIBRARY.listed(DIRECTIONS[kind]):
        if not _PLUGINS.fullmatch(entry.name) and not alsa.HARDWARE.search(entry.name):
            device_id, group = stable_id("portaudio", kind, entry.name), stable_id("group", "portaudio", entry.name)
            yield Device(
                device_id, kind, entry.name, group, NAME, entry.default, handle=PortAudioHandle((entry.name,), DIRECTIONS[kind])
            )


def _node(device: Device) -> pulse.ServerNode | None:
    """Return the device's source or sink on the sound server, or None if it is gone. Raises SilentServer."""
    try:
        nodes = _nodes(pulse.ask_server(), device.kind)
    except pulse.NoServer:
        return None
    return next((node for node in nodes if node.name == device.handle.part), None)


def _gone(device: Device, hardware: Sequence[str]) -> bool:
    """Return whether a streaming device was removed, as far as known. Called often, so it does little.

    ``hardware``: the addresses of the hardware that was opened for it, which ALSA's default does not reveal.
    """
    if any(alsa.removed(address, device.handle.direction) for address in hardware):
        return True
    try:
        return bool(device.handle.part) and _node(device) is None
    except pulse.SilentServer:
        return False


def _still_there(device: Device) -> pulse.ServerNode | None:
    """Return the device's source or sink, or None if it is not on a sound server. Raises NotFoundError, NotReadableError."""
    try:
        node = _node(device) if device.handle.part else None
    except pulse.SilentServer as error:
        raise NotReadableError(f"“{device.label}” does not answer, because the sound server hangs", hints=RESTART) from error
    there = node is not None if device.handle.part else _same_card(device)
    if not there:
        raise NotFoundError(f"“{device.label}” is no longer there")
    return node


def _same_card(device: Device) -> bool:
    """Return whether hardware is the same as before: another card may have its number. Other devices count as the same."""
    hardware = alsa.HARDWARE.fullmatch(device.handle.names[0])
    return not hardware or any(card.device_id == device.device_id for card in _cards(device.kind))


def _reach(device: Device) -> tuple[Listed, pulse.ServerNode | None]:
    """Return the entries of PortAudio and the sound server. Raises NotFoundError, NotReadableError, NotAllowedError."""
    LIBRARY.require()
    node = _still_there(device)
    if device.problem and not device.busy:
        raise NotAllowedError(f"“{device.label}”: {device.problem}", hints=[device.remedy])
    if not device.handle.part and (cards := alsa.listing()):
        LIBRARY.follow(cards, closely=True)
    return LIBRARY.find(device.handle) or _unreachable(device), node


def _unreachable(device: Device) -> NoReturn:
    """Raise the error for a device that exists although PortAudio does not list it."""
    if device.handle.part:
        plugin = "install it: sudo apt install libasound2-plugins"
        raise NotReadableError(f"cannot use “{device.label}”: ALSA's plug-in for the sound server is missing", hints=[plugin])
    if alsa.HARDWARE.fullmatch(device.handle.names[0]):
        if LIBRARY.frozen and not alsa.in_use(device.label, device.handle.names[0], device.handle.direction):
            noun = device_noun(device.kind)
            message = f"“{device.label}” was plugged in while another {noun} was in use, and PortAudio does not know it yet"
            raise NotReadableError(message, hints=[f"close the other {noun} first"])
        raise busy(device.label, device.handle)
    raise NotFoundError(f"“{device.label}” is no longer there")


def _abilities(device: Device) -> Abilities:
    """Return what a device can do, with the names of its channels, if known."""
    with LIBRARY.unchanged():
        entry, node = _reach(device)
        found = Abilities(values=_values_of(device, entry, node), resampled=True)
    return found if node is None else found._replace(channel_names=node.channel_names, floating=node.floating)


def _values_of(device: Device, entry: Listed, node: pulse.ServerNode | None) -> dict[str, Values]:
    channels = min(node.channels if node else entry.channels, MOST_CHANNELS)
    least = min(_least_channels(device), channels)
    served = node and ((*USUAL_RATES, node.rate), node.sizes)
    rates, sizes = served or _probe(device, entry, least)
    values: dict[str, Values] = {
        "sampleRate": tuple(sorted(set(rates))),
        "channelCount": tuple(range(least, channels + 1)),
        "sampleSize": sizes,
        "latency": Span(max(entry.low_latency, 0.001), max(entry.high_latency, STEADY_S)),
    }
    return values | ({name: (value,) for name, value in PROCESSING.items()} if device.kind == AUDIO_INPUT else {})


def _least_channels(device: Device) -> int:
    """Return the smallest channel count with which a device can be opened. For fewer channels, its channels are mixed.

    PortAudio would deliver the first channels, whatever is connected to the others. ALSA's plug-ins mix by themselves.
    """
    address = device.handle.names[0]
    if not alsa.HARDWARE.fullmatch(address):
        return 1
    with silence:  # ALSA prints why a device cannot be opened
        return max(1, alsa.least_channels(address, device.handle.direction))


def _probe(device: Device, entry: Listed, channels: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the supported sample rates and sizes. Raises NotReadableError if the device cannot be probed.

    ``channels``: the smallest count that the device takes now. It may differ from when PortAudio listed the device: a loopback
    card takes only the count with which its other end is open.
    """
    accepts = partial(LIBRARY.accepts, device.handle, device.label, entry.number, channels=channels)
    rates = tuple(rate for rate in (entry.rate, *USUAL_RATES) if accepts(samplerate=rate, dtype="int16"))
    if not rates:
        raise NotReadableError(f"“{device.label}” has none of the usual sample rates")
    known = "int16"  # a card's other end may have been opened meanwhile, with which it takes nothing else
    sizes = (bits for bits, (dtype, _) in SAMPLE_TYPES.items() if dtype == known or accepts(samplerate=rates[0], dtype=dtype))
    return rates, tuple(sizes)

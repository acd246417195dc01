"""Microphones and speakers through PortAudio, under the names that the sound server and the kernel give them.

https://files.portaudio.com/docs/v19-doxydocs/. Where a sound server runs, its sources and sinks are the devices: PortAudio has
them all behind its one device ``pulse``, and ``mscli.sources.pulse`` tells them apart. Elsewhere they are the sound cards, by
the kernel's list (PortAudio's leaves out what another program uses), and what PortAudio lists beside them.
https://docs.kernel.org/sound/designs/procfile.html
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NoReturn

from mscli.core.boxes import Scalar, Span, Values
from mscli.core.errors import DOMException, NotAllowedError, NotFoundError, NotReadableError, NotSupportedError
from mscli.sources import alsa, pulse
from mscli.sources.base import AUDIO_INPUT, AUDIO_OUTPUT, DEVICE_KINDS, Abilities, Backend, Device, Request, Source, Watching
from mscli.sources.identity import distinct_ids, group_id, stable_id
from mscli.sources.portaudio_library import LIBRARY, PATIENCE_S, PROCESSING, RESTART, SAMPLE_TYPES, Handle, Listed, busy
from mscli.sources.trouble import why_no_sound

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


class PortAudioBackend(Backend):
    """The microphones and speakers of this system."""

    name = NAME

    def __init__(self) -> None:
        self._abilities: dict[str, Abilities] = {}  # by deviceId: what is open cannot be probed

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        """The devices, each kind's default first. None, and ``problem`` says why, where PortAudio is missing."""
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
        """By the kernel's events for sound cards, and those of the sound server."""
        if sys.platform != "linux":
            return None
        from mscli.sources.sound_watch import watch_sound

        return watch_sound(notify)

    def abilities(self, device: Device) -> Abilities:
        """What a microphone or a speaker can be set to. Hardware is tried out; a sound server converts to all usual rates."""
        if device.device_id not in self._abilities:
            values = LIBRARY.bounded(lambda: _values(device), PATIENCE_S, device.label)
            self._abilities[device.device_id] = Abilities(values=values, resampled=True)
        return self._abilities[device.device_id]

    def open(self, device: Device, request: Request) -> Source:
        """Take a microphone. Raises NotFoundError when it is gone, NotSupportedError for a speaker, else as every backend."""
        if device.kind != AUDIO_INPUT:
            raise NotSupportedError(f"“{device.label}” is a speaker, which cannot be captured")
        take = partial(_take, device, {**DEFAULTS, **request.settings})
        return LIBRARY.bounded(take, PATIENCE_S, device.label, lambda source: source.stop())


def _take(device: Device, wanted: Mapping[str, Scalar]) -> Source:
    from mscli.sources.portaudio_stream import PortAudioSource

    with LIBRARY.unchanged():
        entry, _ = _reach(device)
        open_stream = partial(LIBRARY.open_input, device.handle, device.label, entry.number)
        with alsa.opened(device.handle.direction) as hardware:
            return PortAudioSource(device.label, wanted, open_stream, partial(_gone, device, hardware))


def _prepare() -> pulse.Server | None:
    """What the sound server has; None where there is none: PortAudio's list can be used then. Raises SilentServer."""
    try:
        server = pulse.look()
    except pulse.NoServer:
        LIBRARY.follow(alsa.listing(), closely=False)
        return None
    LIBRARY.require()
    return server


def _listed(kind: str, server: pulse.Server | None) -> list[Device]:
    if server is None:
        return _default_first([*_cards(kind), *_others(kind)])
    nodes = sorted(_nodes(server, kind), key=_is_monitor)
    ids = distinct_ids(("sound server", kind, *_node_identity(node)) for node in nodes)
    return _default_first([_served(node, kind, device_id) for node, device_id in zip(nodes, ids, strict=True)])


def _default_first(devices: list[Device]) -> list[Device]:
    """In order, with exactly one default: the first where none is said to be."""
    ordered = sorted(devices, key=lambda device: not device.default)
    return [device._replace(default=not place) for place, device in enumerate(ordered)]


def _nodes(server: pulse.Server, kind: str) -> Sequence[pulse.Node]:
    return server.sources if kind == AUDIO_INPUT else server.sinks


def _is_monitor(node: pulse.Node) -> bool:
    return bool(node.sink)


def _node_identity(node: pulse.Node) -> tuple[str, ...]:
    """What a source or sink of the sound server is the same by: its card and its place on it; without a card, its name.

    The server's names of equal cards differ by the order in which these were plugged in.
    """
    if not _is_on_card(node):
        return (node.name,)
    return (*alsa.card_identity(node.card), node.place, "monitor" if _is_monitor(node) else "")


def _is_on_card(node: pulse.Node) -> bool:
    return bool(node.card) and os.path.isdir(alsa.sysfs(node.card))


def _served(node: pulse.Node, kind: str, device_id: str) -> Device:
    """A source or sink of the sound server."""
    handle = Handle(SERVERS, DIRECTIONS[kind], node.name, node.sink)
    names = (f"/dev/snd/controlC{node.card}",) if _is_on_card(node) and not (kind == AUDIO_INPUT and _is_monitor(node)) else ()
    return Device(
        device_id, kind, node.description, _node_group(node), NAME, node.default, node.name, handle, names=names
    )  # fmt: skip


def _node_group(node: pulse.Node) -> str:
    """The groupId of the card behind it, so that a webcam's halves share it; else a sink and its monitor have one."""
    return group_id(alsa.sysfs(node.card)) if _is_on_card(node) else stable_id("group", "sound server", node.sink or node.name)


def _cards(kind: str) -> list[Device]:
    """The sound hardware as the kernel lists it, named as PortAudio does; without what goes while it is looked at."""
    found = alsa.pcms(DIRECTIONS[kind])
    ids = distinct_ids(("sound card", kind, *pcm.identity) for pcm in found)
    cards = [_card(kind, pcm, device_id) for pcm, device_id in zip(found, ids, strict=True)]
    whole = alsa.pcms(DIRECTIONS[kind])  # the kernel takes one from its list before anything else of it
    return [card for pcm, card in zip(found, cards, strict=True) if pcm in whole]


def _card(kind: str, pcm: alsa.Pcm, device_id: str) -> Device:
    device = Device(
        device_id, kind, pcm.label, group_id(alsa.sysfs(pcm.card)), NAME,
        path=pcm.address, handle=Handle((pcm.address,), pcm.direction), names=pcm.names,
    )  # fmt: skip
    trouble = pcm.trouble()
    return device.troubled(trouble, busy=isinstance(trouble, NotReadableError)) if trouble else device


def _others(kind: str) -> Iterator[Device]:
    """What PortAudio lists besides hardware and what stands for it: ALSA's default, PCMs of the user's own. Elsewhere, all."""
    for entry in LIBRARY.listed(DIRECTIONS[kind]):
        if not _PLUGINS.fullmatch(entry.name) and not alsa.HARDWARE.search(entry.name):
            device_id, group = stable_id("portaudio", kind, entry.name), stable_id("group", "portaudio", entry.name)
            yield Device(
                device_id, kind, entry.name, group, NAME, entry.default, handle=Handle((entry.name,), DIRECTIONS[kind])
            )


def _node(device: Device) -> pulse.Node | None:
    """The source or sink of the sound server that the device is, if it is still there. Raises SilentServer."""
    try:
        nodes = _nodes(pulse.look(), device.kind)
    except pulse.NoServer:
        return None
    return next((node for node in nodes if node.name == device.handle.part), None)


def _gone(device: Device, hardware: Sequence[str]) -> bool:
    """Whether a device that streams is no longer there, as far as that can be known; asked often, so it asks little.

    ``hardware``: the addresses of what was opened for it, which ALSA's default does not tell.
    """
    if any(alsa.removed(address, device.handle.direction) for address in hardware):
        return True
    try:
        return bool(device.handle.part) and _node(device) is None
    except pulse.SilentServer:
        return False


def _still_there(device: Device) -> pulse.Node | None:
    """The sound server's part that the device is; None if it is none. Raises NotFoundError, NotReadableError."""
    try:
        node = _node(device) if device.handle.part else None
    except pulse.SilentServer as error:
        raise NotReadableError(f"“{device.label}” does not answer: the sound server hangs", hints=RESTART) from error
    there = node is not None if device.handle.part else _same_card(device)
    if not there:
        raise NotFoundError(f"“{device.label}” is no longer there")
    return node


def _same_card(device: Device) -> bool:
    """Whether hardware is still what it was: another card may have its number now. What is no hardware is taken to be."""
    hardware = alsa.HARDWARE.fullmatch(device.handle.names[0])
    return not hardware or any(card.device_id == device.device_id for card in _cards(device.kind))


def _reach(device: Device) -> tuple[Listed, pulse.Node | None]:
    """PortAudio's entry for the device, and the sound server's. Raises NotFoundError, NotReadableError, NotAllowedError."""
    LIBRARY.require()
    node = _still_there(device)
    if device.problem and not device.busy:
        raise NotAllowedError(f"“{device.label}”: {device.problem}", hints=[device.remedy])
    if not device.handle.part and (cards := alsa.listing()):
        LIBRARY.follow(cards, closely=True)
    return LIBRARY.find(device.handle) or _unreachable(device), node


def _unreachable(device: Device) -> NoReturn:
    """Raise what it means that PortAudio does not list a device that exists."""
    if device.handle.part:
        plugin = "install it with: sudo apt install libasound2-plugins"
        raise NotReadableError(
            f"“{device.label}” belongs to the sound server, and ALSA's plug-in for it is missing", hints=[plugin]
        )
    if alsa.HARDWARE.fullmatch(device.handle.names[0]):
        if LIBRARY.frozen and not alsa.in_use(device.label, device.handle.names[0], device.handle.direction):
            message = f"“{device.label}” came while this program used another microphone, so that PortAudio does not know it"
            raise NotReadableError(message, hints=["close the other one first"])
        raise busy(device.label, device.handle)
    raise NotFoundError(f"“{device.label}” is no longer there")


def _values(device: Device) -> dict[str, Values]:
    with LIBRARY.unchanged():
        return _values_of(device, *_reach(device))


def _values_of(device: Device, entry: Listed, node: pulse.Node | None) -> dict[str, Values]:
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

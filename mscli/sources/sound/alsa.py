"""The sound cards of Linux, from the kernel's lists: their PCM devices, their ports, and who uses them.

https://docs.kernel.org/sound/designs/procfile.html. A PCM device has an ALSA address: “hw:0,1” is device 1 of card 0.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mscli.core.errors import DOMException, NotAllowedError, NotReadableError
from mscli.core.trouble import Holders, in_container, permission_remedy, process_holders, read_text
from mscli.core.tuples import NamedTuple
from mscli.sources.identity import attribute, physical_device, port_path

HARDWARE = re.compile(r"hw:(\d+),(\d+)")
ROOT = "/proc/asound"
NODES = "/dev/snd"
OPEN = "/proc/self/fd"
_CARD = re.compile(r"^ *(\d+) \[.*?\]: .*? - (.*)$", re.MULTILINE)
_PCM = re.compile(r"^(\d+)-(\d+): .*? : (.*?) :", re.MULTILINE)
_NODE = re.compile(r"pcmC(\d+)D(\d+)([cp])")
_OWNER = re.compile(r"^owner_pid *: *(\d+)$", re.MULTILINE)
LIBRARY = "libasound.so.2"
_STREAMS, _NONBLOCK = {"output": 0, "input": 1}, 1  # snd_pcm_stream_t, SND_PCM_NONBLOCK
_LETTERS = {"input": "c", "output": "p"}  # capture, playback


class Pcm(NamedTuple):
    """A PCM device of a card, in one direction: “input” or “output”."""

    card: int
    number: int
    direction: str
    card_name: str
    name: str

    @property
    def address(self) -> str:
        """Return the ALSA address, with which PortAudio's names end."""
        return f"hw:{self.card},{self.number}"

    @property
    def label(self) -> str:
        """Return the name in PortAudio's form."""
        return f"{self.card_name}: {self.name.removeprefix(self.card_name).strip() or self.name} ({self.address})"

    @property
    def node(self) -> str:
        """Return the device file."""
        return f"{NODES}/pcmC{self.card}D{self.number}{_LETTERS[self.direction]}"

    @property
    def names(self) -> tuple[str, ...]:
        """Return its files. Those in /dev/snd/by-id and by-path are links to the card's control file."""
        return self.node, f"{NODES}/controlC{self.card}"

    @property
    def identity(self) -> tuple[str, ...]:
        """Return what survives a reboot and a replug, and distinguishes equal cards."""
        return (*card_identity(self.card), self.card_name, str(self.number))

    def trouble(self) -> DOMException | None:
        """Return why the device cannot be opened, as far as that is visible from outside: permissions, or who uses it."""
        if not os.path.exists(self.node) and in_container():
            hints = ["start the container with --device /dev/snd"]
            return NotAllowedError(f"{self.node} is not available in this container", hints=hints)
        if not os.access(self.node, os.R_OK | os.W_OK):
            return NotAllowedError(f"no permission to open {self.node}", hints=[permission_remedy(self.node)])
        holding = _holders(_folder(self.card, self.number, self.direction))
        return _busy(self.label, holding) if holding and not holding.ours else None


def sysfs(card: int | str) -> str:
    """Return the folder of a card."""
    return f"/sys/class/sound/card{card}"


def card_identity(card: int | str) -> tuple[str, str]:
    """Return a card's port and serial number."""
    folder = physical_device(sysfs(card))
    return port_path(folder), attribute(folder, "serial")


def listing() -> str:
    """Return the kernel's list of PCM devices, which changes whenever one comes or goes."""
    return read_text(f"{ROOT}/pcm")


def pcms(direction: str) -> list[Pcm]:
    """Return all devices of a direction, by card and number."""
    names = dict(_CARD.findall(read_text(f"{ROOT}/cards")))
    found = (
        Pcm(int(card), int(number), direction, names.get(str(int(card)), "sound card"), name)
        for card, number, name in _PCM.findall(listing())
    )
    return [pcm for pcm in found if os.path.exists(f"{_folder(pcm.card, pcm.number, direction)}")]


def removed(address: str, direction: str) -> bool:
    """Return whether the hardware at an address is gone. Return False if the address is not hardware."""
    match = HARDWARE.fullmatch(address)
    return match is not None and not os.path.exists(_folder(int(match[1]), int(match[2]), direction))


def least_channels(address: str, direction: str) -> int:
    """Return the smallest channel count of the hardware at an address, or 0 if unknown.

    https://www.alsa-project.org/alsa-doc/alsa-lib/group___p_c_m___h_w___params.html
    """
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        return 0
    pcm, params, least = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_uint()
    if library.snd_pcm_open(ctypes.byref(pcm), address.encode(), _STREAMS[direction], _NONBLOCK) < 0:
        return 0
    library.snd_pcm_hw_params_malloc(ctypes.byref(params))
    try:
        known = library.snd_pcm_hw_params_any(pcm, params) >= 0
        known = known and library.snd_pcm_hw_params_get_channels_min(params, ctypes.byref(least)) >= 0
    finally:
        library.snd_pcm_hw_params_free(params)
        library.snd_pcm_close(pcm)
    return least.value if known else 0


@contextmanager
def opened(direction: str) -> Iterator[list[str]]:
    """Yield a list. On exit, it contains the addresses of the hardware that this process has opened in the meantime.

    Cards that the kernel hides are missing. In containers, this includes cards that the container was given.
    """
    addresses: list[str] = []
    before = _held(direction)
    yield addresses
    new = (address for descriptor, address in _held(direction).items() if descriptor not in before)
    addresses += [address for address in new if not removed(address, direction)]


def _held(direction: str) -> dict[str, str]:
    """Return the addresses of the hardware that this process has open, by file descriptor."""
    files = ((descriptor, _NODE.fullmatch(path.removeprefix(f"{NODES}/"))) for descriptor, path in _files())
    return {descriptor: f"hw:{node[1]},{node[2]}" for descriptor, node in files if node and node[3] == _LETTERS[direction]}


def _files() -> Iterator[tuple[str, str]]:
    """Yield the open files of this process, by file descriptor."""
    with suppress(OSError):
        for descriptor in os.listdir(OPEN):
            with suppress(OSError):  # it may be closed by now
                yield descriptor, os.readlink(f"{OPEN}/{descriptor}")


def in_use(label: str, address: str, direction: str) -> NotReadableError | None:
    """Return an error that says who uses a device, or None if part of it is free."""
    match = HARDWARE.fullmatch(address)
    holding = _holders(_folder(int(match[1]), int(match[2]), direction)) if match else None
    return _busy(label, holding) if holding else None


def _busy(label: str, holding: Holders) -> NotReadableError:
    return NotReadableError(f"“{label}” is in use by {holding.who}", hints=[holding.remedy])


def _folder(card: int, number: int, direction: str) -> str:
    return f"{ROOT}/card{card}/pcm{number}{_LETTERS[direction]}"


def _holders(folder: str) -> Holders | None:
    owners = [_OWNER.search(status) for status in _statuses(folder)]
    return process_holders(int(owner[1]) for owner in owners if owner) if owners and all(owners) else None


def _statuses(folder: str) -> Iterator[str]:
    """Yield the kernel's status of each substream: “closed”, or its state and owner."""
    with suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith("sub"):
                yield read_text(f"{folder}/{name}/status")

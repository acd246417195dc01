"""The sound cards of Linux as the kernel lists them: their PCM devices, where they are plugged in, and who uses them.

https://docs.kernel.org/sound/designs/procfile.html. A PCM device is addressed as ALSA does it: “hw:0,1” is device 1 of card 0.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from mscli.core.errors import DOMException, NotAllowedError, NotReadableError
from mscli.sources.identity import attribute, physical_device, port_path
from mscli.sources.trouble import Holders, in_container, permission_remedy, process_holders, read_text

HARDWARE = re.compile(r"hw:(\d+),(\d+)")
ROOT = "/proc/asound"
NODES = "/dev/snd"
OPEN = "/proc/self/fd"
_CARD = re.compile(r"^ *(\d+) \[.*?\]: .*? - (.*)$", re.MULTILINE)
_PCM = re.compile(r"^(\d+)-(\d+): .*? : (.*?) :", re.MULTILINE)
_NODE = re.compile(r"pcmC(\d+)D(\d+)([cp])")
_OWNER = re.compile(r"^owner_pid *: *(\d+)$", re.MULTILINE)
_LETTERS = {"input": "c", "output": "p"}  # capture, playback


class Pcm(NamedTuple):
    """A device of a card, in one direction: “input” or “output”."""

    card: int
    number: int
    direction: str
    card_name: str
    name: str

    @property
    def address(self) -> str:
        """As ALSA has it, and PortAudio at the end of its names."""
        return f"hw:{self.card},{self.number}"

    @property
    def label(self) -> str:
        """As PortAudio puts it together."""
        return f"{self.card_name}: {self.name.removeprefix(self.card_name).strip() or self.name} ({self.address})"

    @property
    def node(self) -> str:
        """The file that is opened."""
        return f"{NODES}/pcmC{self.card}D{self.number}{_LETTERS[self.direction]}"

    @property
    def names(self) -> tuple[str, ...]:
        """The files that stand for it; those in /dev/snd/by-id and by-path are links to the card's own."""
        return self.node, f"{NODES}/controlC{self.card}"

    @property
    def identity(self) -> tuple[str, ...]:
        """What stays over a reboot and a replug, and tells equal cards apart."""
        return (*card_identity(self.card), self.card_name, str(self.number))

    def trouble(self) -> DOMException | None:
        """Why it cannot be opened, if that can be seen from outside: its permissions, or who uses it."""
        if not os.path.exists(self.node) and in_container():
            hints = ["start the container with --device /dev/snd"]
            return NotAllowedError(f"{self.node} was not given to this container", hints=hints)
        if not os.access(self.node, os.R_OK | os.W_OK):
            return NotAllowedError(f"no permission to open {self.node}", hints=[permission_remedy(self.node)])
        holding = _holders(_folder(self.card, self.number, self.direction))
        return _busy(self.label, holding) if holding and not holding.ours else None


def sysfs(card: int | str) -> str:
    """The folder of a card."""
    return f"/sys/class/sound/card{card}"


def card_identity(card: int | str) -> tuple[str, str]:
    """Where a card is plugged in, and its serial number."""
    folder = physical_device(sysfs(card))
    return port_path(folder), attribute(folder, "serial")


def listing() -> str:
    """The kernel's list of PCM devices, which changes when one comes or goes."""
    return read_text(f"{ROOT}/pcm")


def pcms(direction: str) -> list[Pcm]:
    """All devices of that direction, by card and number."""
    names = dict(_CARD.findall(read_text(f"{ROOT}/cards")))
    found = (
        Pcm(int(card), int(number), direction, names.get(str(int(card)), "sound card"), name)
        for card, number, name in _PCM.findall(listing())
    )
    return [pcm for pcm in found if os.path.exists(f"{_folder(pcm.card, pcm.number, direction)}")]


def removed(address: str, direction: str) -> bool:
    """Whether the hardware of that address is gone, told by a file; False for what is no hardware."""
    match = HARDWARE.fullmatch(address)
    return match is not None and not os.path.exists(_folder(int(match[1]), int(match[2]), direction))


@contextmanager
def opened(direction: str) -> Iterator[list[str]]:
    """Yields a list that has, in the end, the addresses of the hardware that this process has opened meanwhile.

    Without those of which the kernel does not tell here: containers hide its lists even of cards that they were given.
    """
    addresses: list[str] = []
    before = _held(direction)
    yield addresses
    new = (address for descriptor, address in _held(direction).items() if descriptor not in before)
    addresses += [address for address in new if not removed(address, direction)]


def _held(direction: str) -> dict[str, str]:
    """The hardware that this process has open: addresses by file descriptor."""
    files = ((descriptor, _NODE.fullmatch(path.removeprefix(f"{NODES}/"))) for descriptor, path in _files())
    return {descriptor: f"hw:{node[1]},{node[2]}" for descriptor, node in files if node and node[3] == _LETTERS[direction]}


def _files() -> Iterator[tuple[str, str]]:
    """What this process has open, by file descriptor."""
    with suppress(OSError):
        for descriptor in os.listdir(OPEN):
            with suppress(OSError):  # it may be closed by now
                yield descriptor, os.readlink(f"{OPEN}/{descriptor}")


def in_use(label: str, address: str, direction: str) -> NotReadableError | None:
    """The error that says who uses the device of that address, if someone does and no part of it is free."""
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
    """What the kernel says of each substream: “closed”, or its state and its owner."""
    with suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith("sub"):
                yield read_text(f"{folder}/{name}/status")

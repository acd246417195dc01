"""Displays, which are monitors and windows, and system audio: their addresses, and which one an address means.

``screen:`` is the main monitor, ``screen:NAME`` a monitor by its name, ``window:TITLE`` a window by its title or its number,
and ``region:WxH+X+Y`` a part of all monitors together. ``monitor:`` is what the default speaker plays, ``monitor:SPEAKER`` what
another one does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mscli.core.addresses import scheme_of
from mscli.core.errors import ArgumentError, NotFoundError
from mscli.core.nearest import did_you_mean
from mscli.sources.base import MONITOR, WINDOW, Device, Surface

SCREEN, WINDOWS, REGION, SYSTEM_SOUND = "screen", "window", "region", "monitor"  # the schemes
_REGION = re.compile(r"(\d+)x(\d+)\+(\d+)\+(\d+)", re.IGNORECASE)
_CUTOFF = 0.5  # a part of a long title is enough for a suggestion
_MOST_HINTS = 12


def region_of(address: str) -> Surface:
    """Return the region in an address. Raises TypeError if it is malformed."""
    place = _REGION.fullmatch(address.partition(":")[2])
    if place is None or not int(place[1]) or not int(place[2]):
        raise ArgumentError(f"“{address}” is no region; give its size and its corner, as in region:640x480+100+50")
    width, height, x, y = map(int, place.groups())
    return Surface(MONITOR, address.partition(":")[2], x, y, width, height)


def scheme_for(surface: Surface) -> str:
    """Return the scheme of a display's address."""
    return WINDOWS if surface.kind == WINDOW else SCREEN


def find_display(address: str, displays: Sequence[Device]) -> Device:
    """Return the display that an address means. Raises NotFoundError, which lists the candidates, for none or several."""
    scheme = scheme_of(address)
    if scheme == REGION:
        raise NotFoundError(f"there is no {address}: fake displays have no regions")
    among = [one for one in displays if one.surface is not None and scheme_for(one.surface) == scheme]
    if scheme == WINDOWS and not address.partition(":")[2]:
        raise ArgumentError("window: needs the title of a window, as “mscli devices --kind display” lists it")
    return _named(address, among, "window" if scheme == WINDOWS else "monitor")


def find_speaker(address: str, speakers: Sequence[Device]) -> Device:
    """Return the speaker whose sound an address means. Raises NotFoundError."""
    return _named(address, speakers, "speaker")


def _named(address: str, among: Sequence[Device], noun: str) -> Device:
    """Return the device that is named in an address, or the default one. Raises NotFoundError for none or several."""
    name = address.partition(":")[2]
    found = _matching(name, among) if name else [one for one in among if one.default] or among[:1]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFoundError(f"“{name}” matches {len(found)} {noun}s", hints=["use the whole address:", *_available(found)])
    question = did_you_mean(name, [one.label for one in among], cutoff=_CUTOFF)
    raise NotFoundError(f"no {noun} matches “{name}”{question}" if name else f"no {noun} found", hints=_available(among))


def _matching(name: str, among: Sequence[Device]) -> Sequence[Device]:
    """Return the displays that a name may mean, by the first method that finds any."""
    folded = name.casefold()
    ways = (
        [one for one in among if folded in {one.label.casefold(), one.device_id.casefold(), *map(str.casefold, one.names)}],
        [one for one in among if folded in one.label.casefold()],
    )
    return next((found for found in ways if found), [])


def _available(displays: Sequence[Device]) -> list[str]:
    listed = [f"available: “{one.label}”, {one.path or one.device_id}" for one in displays[:_MOST_HINTS]]
    more = len(displays) - len(listed)
    return [*listed, *([f"and {more} more, which “mscli devices --kind display” lists"] if more else [])]

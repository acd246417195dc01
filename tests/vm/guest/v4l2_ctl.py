"""What v4l2-ctl, the kernel developers' own tool, says of a camera, and modes of ours in its words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from mscli.v4l2.abi import LAYOUTS
from tests.vm.guest.conftest import run

OUR_NAMES = {layout.fourcc: layout.name for layout in LAYOUTS}


class Listed(NamedTuple):
    """A mode: our format name; size or range of sizes, and rate to three places, both as v4l2-ctl prints them."""

    pixel_format: str
    size: str
    rate: str

    @classmethod
    def of(cls, mode: Mapping[str, Any]) -> Listed:
        """A mode as JSON has it."""
        width, height, rate = mode["width"], mode["height"], mode["frameRate"]
        if not isinstance(width, Mapping):
            return cls(mode["pixelFormat"], f"{width}x{height}", f"{rate:.3f}")
        ends = f"{width['min']}x{height['min']} - {width['max']}x{height['max']}"
        return cls(mode["pixelFormat"], f"{ends} with step {width['step']}/{height['step']}", "")


def listed_modes(path: str) -> set[Listed]:
    """All modes of formats that are ours; where a size comes without rates, that is a mode with none."""
    found: dict[tuple[str, str], list[str]] = {}
    name = size = ""
    for line in run("v4l2-ctl", "-d", path, "--list-formats-ext").splitlines():
        if match := re.search(r"\[\d+\]: '(....(?:-BE)?)'", line):
            name = OUR_NAMES.get(match[1], "")
        elif match := re.search(r"Size: (?:Discrete|Stepwise) (.+)", line):
            size = match[1]
            found.setdefault((name, size), [])
        elif match := re.search(r"\(([\d.]+) fps\)", line):
            found[name, size].append(match[1])
    return {Listed(name, size, rate) for (name, size), rates in found.items() if name for rate in rates or [""]}

"""Several tracks on one device: what a further one may still be set to, and setting the device so that all get theirs.

A camera runs in one native mode. Each track takes its own size and rate out of it, cropped, scaled and thinned out. The
native mode is changed only when what is asked for does not fit into it, and only to one that holds every other track.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from mscli.api.consumer import Consumer
from mscli.api.livesource import LiveSource
from mscli.api.settings_space import boxes_of, fixed_box, with_twin
from mscli.core.boxes import Box, Mode
from mscli.core.derived import DERIVABLE, DERIVED, native_of, reach
from mscli.core.selection import Selection, Settings
from mscli.sources.base import VIDEO_INPUT, Abilities

# ``Rank.switched``: the running mode before a change of it, and that before one by which the settings of others change
RUNNING, SWITCHED, ADAPTED = 0.0, 1.0, 2.0


def boxes_beside(live: LiveSource, others: Iterable[Consumer], place: int = 0) -> list[Box]:
    """The settings space for one track of a device on which the ``others`` live: all of it if there are none."""
    others = list(others)
    if not others:
        return boxes_of(live.device, live.abilities, place)
    if live.device.kind != VIDEO_INPUT:
        return _sound_boxes(live, place)
    holding = _holding(live, others)
    adapting = [mode for mode in _adapting(live, others) if mode not in holding]
    ranked = (([live.mode], RUNNING), (holding, SWITCHED), (adapting, ADAPTED))
    return [box for modes, switched in ranked for box in _boxes_in(modes, live, place, switched)]


def boxes_running(live: LiveSource) -> list[Box]:
    """The settings space of a device as it is set now, which is not to be changed."""
    return _boxes_in([live.mode], live, 0, RUNNING) if live.mode else _sound_boxes(live, 0)


def _sound_boxes(live: LiveSource, place: int) -> list[Box]:
    return with_twin(fixed_box(live.native, live.device, live.mode, place), live.abilities)


def _boxes_in(modes: Sequence[Mode | None], live: LiveSource, place: int, switched: float) -> list[Box]:
    known = [mode for mode in modes if mode is not None]
    boxes = boxes_of(live.device, Abilities(known, live.abilities.values), place) if known else []
    return [box._replace(rank=box.rank._replace(switched=switched)) for box in boxes]


def _holding(live: LiveSource, others: Sequence[Consumer]) -> list[Mode]:
    """The modes in which every other track could go on with its settings, derived from them."""
    if any(other.forbids(DERIVED) for other in others):
        return []
    return [
        mode for mode in live.abilities.modes if mode != live.mode and all(_holds(mode, other.settings) for other in others)
    ]


def _adapting(live: LiveSource, others: Sequence[Consumer]) -> list[Mode]:
    """The modes in which every other track could still have what its constraints require, if not the settings that it has."""
    modes = [mode for mode in live.abilities.modes if mode != live.mode]
    return [mode for mode in modes if all(other.accepts(_boxes_in([mode], live, 0, RUNNING)) for other in others)]


def _holds(mode: Mode, settings: Settings) -> bool:
    sizes = (float(settings[name]) for name in ("width", "height", "frameRate"))
    return all(size <= most for size, most in zip(sizes, reach(mode), strict=True))


def set_device(
    live: LiveSource,
    selection: Selection,
    pixel_formats: Sequence[str] = (),
    take: Callable[[Settings], object] = lambda _: None,
) -> list[Consumer]:
    """Set the device for settings that were selected, if it is not set so already; the tracks whose settings it holds no more.

    ``take`` is given what was selected before a frame has it. On failure every track has again what it had.
    """
    native, mode = native_of(selection.box, selection.settings, pixel_formats)
    if live.runs(native, mode):
        take(settings_of(live, selection))
        return []
    returns = [consumer.remember() for consumer in live.consumers]
    live.change(native, mode, partial(_adopt, live, selection, take), partial(_restore, returns))
    return [consumer for consumer in live.consumers if live.mode is not None and not _holds(live.mode, consumer.settings)]


def _adopt(live: LiveSource, selection: Selection, take: Callable[[Settings], object]) -> None:
    take(settings_of(live, selection))
    for consumer in live.consumers:
        consumer.reshape()


def _restore(returns: Iterable[Callable[[], None]]) -> None:
    for bring_back in returns:
        bring_back()


def settings_of(live: LiveSource, selection: Selection) -> Settings:
    """The settings of a track: what was selected, where it is native as the driver really set it."""
    settings = {**selection.settings, **live.native}
    if selection.box.rank.derived:
        settings |= {name: value for name, value in selection.settings.items() if name in DERIVABLE}
    return settings

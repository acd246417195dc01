"""Share one source between several tracks: which settings one more track can have, and how to set the source for all.

A video source runs in one native mode. Each track derives its own size and rate by cropping, scaling and dropping frames. The
native mode only changes if a request does not fit into it, and only to a mode that fits every other track.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from mscli.api.settings_space import fixed_box, space_of, with_twin
from mscli.core.boxes import Box, Mode
from mscli.core.constraints import Rule
from mscli.core.controls import controls_in, is_control, mode_in
from mscli.core.derived import DERIVABLE, DERIVED, native_of, reach
from mscli.core.errors import OverconstrainedError
from mscli.core.select import satisfying
from mscli.core.selection import Selection, Settings
from mscli.sources.base import Abilities
from mscli.sources.track import Consumer, SettingsChange, TrackSource

# Values of ``Rank.switched``: the running mode comes before a switch, and that before a switch that changes others' settings.
RUNNING, SWITCHED, ADAPTED = 0.0, 1.0, 2.0


def boxes_beside(source: TrackSource, others: Iterable[Consumer], origin: object, place: int = 0) -> list[Box]:
    """Return the settings space for one track beside the ``others`` on a source: everything if there are none.

    ``origin`` and ``place``: the device of the boxes, and its position in the order of preference.
    """
    others = list(others)
    if not others:
        return space_of(source.kind, _abilities(source), origin, place)
    if source.kind != "video":
        return _sound_boxes(source, origin, place)
    holding = _holding(source, others)
    adapting = [mode for mode in _adapting(source, others) if mode not in holding]
    ranked = (([source.mode], RUNNING), (holding, SWITCHED), (adapting, ADAPTED))
    boxes = [box for modes, switched in ranked for box in _boxes_in(modes, source, origin, place, switched)]
    return _respecting(others, boxes)


def boxes_of_controls(source: TrackSource, others: Sequence[Consumer]) -> list[Box]:
    """Return the settings space for one track beside the ``others``, while the source keeps its mode."""
    return _respecting(others, _boxes_in([source.mode], source, source))


def _respecting(others: Sequence[Consumer], boxes: list[Box]) -> list[Box]:
    """Return the boxes without control values that other tracks' required constraints exclude, if any boxes remain."""
    held = [rule for other in others for rule in other.required if is_control(rule.name)]
    return satisfying(boxes, held) or boxes


def boxes_running(source: TrackSource) -> list[Box]:
    """Return the settings space of a source as it runs now, without changing it."""
    if source.mode is None:
        return _sound_boxes(source, source, 0)
    now = {name: (value,) for name, value in controls_in(source.settings()).items()}
    return [box._replace(values={**box.values, **now}) for box in _boxes_in([source.mode], source, source)]


def _abilities(source: TrackSource) -> Abilities:
    """Return the source's abilities with the current values of its controls."""
    abilities, now = source.capabilities(), source.settings()
    controls = {name: control._replace(value=now.get(name, control.value)) for name, control in abilities.controls.items()}
    return abilities._replace(controls=controls)


def _sound_boxes(source: TrackSource, origin: object, place: int) -> list[Box]:
    return with_twin(fixed_box(source.settings(), origin, source.mode, place), source.capabilities())


def _boxes_in(
    modes: Sequence[Mode | None], source: TrackSource, origin: object, place: int = 0, switched: float = RUNNING
) -> list[Box]:
    known = [mode for mode in modes if mode is not None]
    boxes = space_of(source.kind, _abilities(source)._replace(modes=known), origin, place) if known else []
    return [box._replace(rank=box.rank._replace(switched=switched)) for box in boxes]


def _holding(source: TrackSource, others: Sequence[Consumer]) -> list[Mode]:
    """Return the modes from which every other track could derive its current settings."""
    if any(other.forbids(DERIVED) for other in others):
        return []
    return [mode for mode in _other_modes(source) if all(_holds(mode, other.settings) for other in others)]


def _adapting(source: TrackSource, others: Sequence[Consumer]) -> list[Mode]:
    """Return the modes in which every other track's required constraints could be satisfied, with other settings."""
    return [mode for mode in _other_modes(source) if all(other.accepts(_boxes_in([mode], source, source)) for other in others)]


def _other_modes(source: TrackSource) -> list[Mode]:
    return [mode for mode in source.capabilities().modes if mode != source.mode]


def _holds(mode: Mode, settings: Settings) -> bool:
    sizes = (float(settings[name]) for name in ("width", "height", "frameRate"))
    return all(size <= most for size, most in zip(sizes, reach(mode), strict=True))


def set_source(
    source: TrackSource,
    selection: Selection,
    pixel_formats: Sequence[str] = (),
    take: Callable[[Settings], object] = lambda _: None,
    required: Sequence[Rule] = (),
) -> list[Consumer]:
    """Apply selected settings to the source, if it differs. Return the tracks whose settings no longer hold.

    ``take`` is called with the settings before a frame has them. On failure, every track gets its old settings back. If only
    controls differ, they are set while the device runs; the values that it takes must satisfy ``required``.
    """
    native, mode = native_of(selection.box, selection.settings, pixel_formats)
    if source.runs(mode_in(native), mode):
        _set_controls(source, controls_in(native), required)
        take(settings_of(source, selection))
        return _adapting_to(source)
    returns = [consumer.remember() for consumer in source.consumers]
    source.apply(SettingsChange(native, mode, partial(_adopt, source, selection, take), partial(_restore, returns)))
    return _adapting_to(source)


@contextmanager
def kept_as_it_is(source: TrackSource) -> Iterator[None]:
    """Return the source's mode, its controls and all its tracks' settings to what they are now, afterwards.

    Nobody else changes them in between.
    """
    with source.turn:
        put_back = remember_source(source)
        try:
            yield
        finally:
            put_back()


def remember_source(source: TrackSource) -> Callable[[], None]:
    """Return a function that puts back the source's mode, its controls and all its tracks' settings.

    It raises NotReadableError if the source cannot be set.
    """
    settings, mode = dict(source.settings()), source.mode
    bring_back = partial(_restore, [consumer.remember() for consumer in source.consumers])

    def put_back() -> None:
        with source.turn:
            if source.wanted and not source.runs(mode_in(settings), mode):
                source.apply(SettingsChange(settings, mode, bring_back, bring_back))
            elif source.wanted:
                source.set_controls(controls_in(settings))
                bring_back()

    return put_back


def _adapting_to(source: TrackSource) -> list[Consumer]:
    """Return the tracks that cannot keep their settings on the source as it runs now."""
    mode, controls = source.mode, controls_in(source.settings())
    if mode is None:
        return []
    return [
        other for other in source.consumers if not (_holds(mode, other.settings) and controls.items() <= other.settings.items())
    ]


def _set_controls(source: TrackSource, controls: Settings, required: Sequence[Rule]) -> None:
    """Set controls. If the result does not satisfy ``required``, undo it and raise OverconstrainedError."""
    before = controls_in(source.settings())
    if not source.set_controls(controls):
        return
    now = controls_in(source.settings())
    for rule in required:
        if rule.name in now and not rule.allows(now[rule.name]):
            source.set_controls({name: value for name, value in before.items() if now.get(name) != value})
            message = f"{source.name} set {rule.name} to {now[rule.name]} instead of {rule.in_words()}"
            raise OverconstrainedError(rule.name, message, conflict=[rule.name], nearest=now)


def _adopt(source: TrackSource, selection: Selection, take: Callable[[Settings], object]) -> None:
    take(settings_of(source, selection))
    for consumer in source.consumers:
        consumer.reshape()


def _restore(returns: Iterable[Callable[[], None]]) -> None:
    for bring_back in returns:
        bring_back()


def settings_of(source: TrackSource, selection: Selection) -> Settings:
    """Return a track's settings: the selected ones, corrected by what the source actually uses for native ones."""
    settings = {**selection.settings, **source.settings()}
    if selection.box.rank.derived:
        settings |= {name: value for name, value in selection.settings.items() if name in DERIVABLE}
    return settings

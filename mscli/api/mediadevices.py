"""MediaDevices: the devices of a machine. https://www.w3.org/TR/mediacapture-streams/#mediadevices"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod, WeakSet

from mscli.api.machine import ANY_SCREEN, Machine, standard_order
from mscli.api.mediadeviceinfo import DisplayInfo, MediaDeviceInfo, device_info
from mscli.core.addresses import masked
from mscli.core.errors import ArgumentError, DOMException, NotAllowedError
from mscli.core.events import EventTarget, Listener
from mscli.core.limits import STOP_S, USUAL_TIMEOUTS, ReconnectPolicy
from mscli.core.locks import finish_handed_over, outside, shared_lock
from mscli.core.properties import AUDIO, PROPERTIES, VIDEO
from mscli.core.webidl import to_string
from mscli.sources import is_display
from mscli.sources.base import (
    AUDIO_INPUT,
    AUDIO_OUTPUT,
    DEVICE_KINDS,
    DISPLAY,
    USUAL_INPUT,
    VIDEO_INPUT,
    Backend,
    Device,
    InputOptions,
)

if TYPE_CHECKING:
    from asyncio import Future

    from mscli.api.devicechangeevent import DeviceChangeEvent
    from mscli.api.devicewatch import DeviceWatch
    from mscli.api.dictionaries import (
        AudioOutputOptions,
        DisplayMediaStreamOptions,
        MediaStreamConstraints,
        MediaTrackConstraints,
    )
    from mscli.api.getdisplaymedia import DisplayRequest
    from mscli.api.getusermedia import Choice, UserMedia
    from mscli.api.mediastream import MediaStream
    from mscli.api.mediastreamtrack import MediaStreamTrack
    from mscli.api.wanted import Wanted
    from mscli.core.eventloop import EventLoop, Task
    from mscli.sources.track import TrackSource


SYSTEM_AUDIO = "monitor:"  # the address of what the default speaker plays


class MediaDevices(EventTarget):
    """The cameras, microphones and speakers of this machine, or of the given backends. A context manager.

    ``devicechange`` (a ``DeviceChangeEvent``) fires when devices are added or removed, or the default changes. Devices are only
    watched while somebody listens.

    ``tasks``: the event loop of a caller who runs events. Without it, a thread runs them from the first ``get_user_media`` or
    listener until ``close``.

    Without ``close``, everything is closed once these devices, their tracks and their recordings are no longer referenced, or
    at the end of the program. A recording that runs counts as held. There is a ResourceWarning then.

    See https://www.w3.org/TR/mediacapture-streams/#mediadevices. Differs from the standard: calls return their result or raise,
    instead of promises; a program creates the object itself; devices are listed with labels and ids before anything is
    captured, because permissions are the system's.
    """

    EVENTS = ("devicechange",)
    _user_media: UserMedia | None = None  # from the first use on

    def __init__(self, backends: Sequence[Backend] | None = None, *, tasks: EventLoop | None = None) -> None:
        self._watch: DeviceWatch | None = None
        self._on_device_change: Listener | None = None
        self._machine = Machine(backends)
        self._replacing = shared_lock()  # of the watch and of ``_user_media``, because callers may use several threads
        super().__init__()
        self._tasks = tasks

    def __repr__(self) -> str:
        return f"<MediaDevices of {self._machine.names}{' closed' if self._machine.closed else ''}>"

    def __enter__(self) -> MediaDevices:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End every track, release every device, join every thread. Call it again if you like, also in a listener.

        In a signal handler it may return before that is done. Closing again later, or the end of the program, waits for it.
        """
        self._machine.closed = True
        outside(self._release, "mscli-closing", also=[] if self._user_media is None else [self._user_media.turn])

    def _release(self) -> None:
        self._follow()
        if self._user_media is None:
            self._machine.close()
        else:
            _OPEN.discard(self._user_media)
            self._user_media.close()

    def __del__(self) -> None:
        """Stop watching, on the event thread, because a destructor must not wait. ``UserMedia`` closes the rest."""
        user_media = self._user_media
        if user_media is None or not user_media.begun or user_media not in _OPEN:  # unused, closed, or a parent's after a fork
            return
        if self._watch is not None:
            user_media.post(self._watch.close)
        _warn_unclosed("", self)

    def enumerate_devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[MediaDeviceInfo]:
        """Return the current devices as new objects: microphones, cameras, speakers, each default first."""
        return [device_info(device, self._machine.abilities_of) for device in self.list_devices(kinds)]

    def enumerate_displays(self) -> list[DisplayInfo]:
        """Return the current monitors, the main one first, and windows, the topmost first (beyond the standard)."""
        return [DisplayInfo(device) for device in self._machine.devices([DISPLAY])]

    def list_devices(self, kinds: Sequence[str], timeout_s: float = USUAL_TIMEOUTS.first_s) -> list[Device]:
        """Return the current devices without their abilities. A backend that does not answer in time lists none."""
        return self._machine.devices(kinds, timeout_s)

    def problems(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[str]:
        """Return why families of these devices list nothing, one sentence each. Call ``enumerate_devices`` first."""
        return self._machine.problems(kinds)

    def silent(self, kinds: Sequence[str]) -> bool:
        """Return whether a backend of these devices did not answer. Call ``enumerate_devices`` first."""
        return self._machine.silent(kinds)

    def missing(self, kinds: Sequence[str]) -> DOMException:
        """Return the error if no such device was found or a backend did not answer. Call ``enumerate_devices`` first."""
        return self._machine.missing(kinds)

    def get_supported_constraints(self) -> dict[str, bool]:
        """Return every constrainable property that is supported."""
        return dict.fromkeys(PROPERTIES, True)

    def negotiate(
        self,
        constraints: MediaStreamConstraints | None = None,
        *,
        wanted: Sequence[Wanted] | None = None,
        pixel_formats: Sequence[str] = (),
        timeout_s: tuple[float, float] = USUAL_TIMEOUTS,
    ) -> list[Choice]:
        """Return what ``get_user_media`` would choose, audio first, without starting a device. Raises the same errors."""
        from mscli.api.getusermedia import Terms
        from mscli.api.wanted import wanted_tracks

        asked = wanted_tracks(constraints) if wanted is None else wanted
        return self._machinery().negotiate(asked, Terms(pixel_formats, ReconnectPolicy.asked(timeout_s), wanted is not None))

    def get_user_media(
        self,
        constraints: MediaStreamConstraints | None = None,
        *,
        wanted: Sequence[Wanted] | None = None,
        pixel_formats: Sequence[str] = (),
        on_choices: Callable[[Sequence[Choice]], object] = lambda _: None,
        prepare: Callable[[MediaStream], object] | None = None,
        timeout_s: tuple[float, float] = USUAL_TIMEOUTS,
        reconnect_s: float = 0.0,
        fallback: bool = False,
    ) -> MediaStream:
        """Return a stream of at most one audio and one video track that satisfy the constraints.

        https://www.w3.org/TR/mediacapture-streams/#dom-mediadevices-getusermedia. ``constraints``: a ``MediaStreamConstraints``
        dictionary as ``json.loads`` returns it.

        Beyond the standard: ``wanted`` replaces the constraints, requests any number of tracks, and may require any property.
        All devices are opened before the first one starts, so the tracks begin together. ``pixel_formats``: native formats
        preferred among equals. ``on_choices`` is called with the choices before a device is opened. ``prepare`` is called with
        the stream before its devices start, so that a consumer misses no frame. ``timeout_s``: how long a device may take for
        its first frame and for any response of its driver, and for the next frame after it is muted, before it is given up.
        ``reconnect_s``: how long to wait for a device that is gone. ``fallback``: whether another device that satisfies the
        constraints then replaces it.

        Raises TypeError, NotFoundError, OverconstrainedError, NotAllowedError, NotReadableError. Nothing stays open then.
        """
        from mscli.api.getusermedia import Terms
        from mscli.api.wanted import wanted_tracks

        asked = wanted_tracks(constraints) if wanted is None else wanted
        policy = ReconnectPolicy.asked(timeout_s, reconnect_s, fallback=fallback)
        terms = Terms(pixel_formats, policy, selects_by_all=wanted is not None)
        return self._machinery().get_user_media(asked, terms, prepare, on_choices)

    def get_display_media(
        self,
        options: DisplayMediaStreamOptions | None = None,
        *,
        surface: str = "",
        prepare: Callable[[MediaStream], object] | None = None,
    ) -> MediaStream:
        """Return a stream of one video track of a display, and one of what the system plays if ``audio`` asks for it.

        https://www.w3.org/TR/screen-capture/#dom-mediadevices-getdisplaymedia. The sound is left out where there is none.

        Beyond the standard: ``surface`` chooses the display by its address (``screen:``, ``window:TITLE``), as the user of a
        browser does. Without it, the hints in the options choose; on Wayland the user does, in a dialogue of the desktop, each
        time anew. ``prepare``: as in ``get_user_media``.

        Raises TypeError, NotFoundError, OverconstrainedError, NotAllowedError, NotReadableError, and InvalidStateError if the
        ``controller`` was used before.
        """
        from mscli.api.getdisplaymedia import parse_options

        if surface and not is_display(surface):
            raise ArgumentError(f"“{masked(surface)}” is not the address of a display, such as screen: or window:TITLE")
        request = parse_options(options)
        if not surface and self._machine.asks_for_displays:
            offered = InputOptions(offered=request.offered)
            (shown,) = self._machine.add_address(ANY_SCREEN, [VIDEO_INPUT], offered, anew=True)
        else:
            (shown,) = self._machine.add_address(surface or self._chosen(request), [VIDEO_INPUT], USUAL_INPUT)
        wanted = [request.track(VIDEO, shown.device_id)]
        for heard in self._system_audio() if request.audio is not None and request.system_audio else ():
            wanted.append(request.track(AUDIO, heard.device_id))
        return self.get_user_media(wanted=wanted, prepare=prepare)

    def select_audio_output(self, options: AudioOutputOptions | None = None) -> MediaDeviceInfo:
        """Return the speaker with the ``deviceId`` in the options, if it is there, or else the default one.

        https://w3c.github.io/mediacapture-output/#dom-mediadevices-selectaudiooutput. A browser lets its user choose; here the
        system's user has, by the default. All speakers are listed by ``enumerate_devices``, and ``set_sink_id`` takes each.

        Raises TypeError, NotFoundError without a speaker, NotReadableError if the system does not answer, and NotAllowedError
        if it does not permit the use of that speaker.
        """
        if options is not None and not isinstance(options, Mapping):
            raise ArgumentError(f"options must be an object, not {options!r}")
        wanted = to_string((options or {}).get("deviceId", ""))
        speakers = self.enumerate_devices([AUDIO_OUTPUT])
        if not speakers:
            raise self.missing([AUDIO_OUTPUT])
        found = next((info for info in speakers if info.device_id == wanted), speakers[0])
        if found.problem and not found.busy:
            raise NotAllowedError(f"“{found.label}”: {found.problem}", hints=[found.remedy])
        return found

    @property
    def machine(self) -> Machine:
        """Return the devices without tracks, for other objects of the library."""
        return self._machine

    def _chosen(self, request: DisplayRequest) -> str:
        """Return the address of the display that a request chooses. Raises NotFoundError, NotReadableError."""
        displays = self.enumerate_displays()
        if not displays:
            raise self.missing([DISPLAY])
        return request.choose(displays).path or ""

    def _system_audio(self) -> list[MediaDeviceInfo]:
        """Return the device that records what the system plays, if there is one."""
        try:
            return self.add_address(SYSTEM_AUDIO, [AUDIO_INPUT])
        except DOMException:
            return []

    async def get_user_media_async(self, constraints: MediaStreamConstraints | None = None, **more: Any) -> MediaStream:
        """Return what ``get_user_media`` returns, without blocking the running loop of asyncio (beyond the standard).

        Events still fire on the thread of events. If it is cancelled, the tracks that it would have returned are stopped.
        """
        from asyncio import CancelledError, get_running_loop, shield

        asking = get_running_loop().run_in_executor(None, partial(self.get_user_media, constraints, **more))
        try:
            return await shield(asking)
        except CancelledError:
            asking.add_done_callback(_stop_tracks)
            raise

    def add_address(
        self, address: str, kinds: Sequence[str] = DEVICE_KINDS, options: InputOptions = USUAL_INPUT
    ) -> list[MediaDeviceInfo]:
        """Return the devices of these kinds at an address: a file, a stream. ``get_user_media`` now accepts their deviceIds.

        ``options``: how the address is read: where a file begins, whether it loops. They count when the address is first added.

        They do not appear in device lists, and are only used if their deviceId is required (``exact``). Raises
        NotSupportedError for an address that nothing reads, NotReadableError, and NotFoundError if there is nothing of these
        kinds.
        """
        return [
            device_info(device, self._machine.abilities_of) for device in self._machine.add_address(address, kinds, options)
        ]

    def add_source(self, source: TrackSource, constraints: MediaTrackConstraints | None = None) -> MediaStreamTrack:
        """Return a track of a source that is not a device: a program, a file. It ends with the source, or on ``close``.

        ``constraints``: a ``MediaTrackConstraints`` dictionary. Calling this again for the same source returns another track.
        Raises TypeError, OverconstrainedError, InvalidStateError after ``close`` or the source's end, and the source's own
        errors.
        """
        self._machine.check_open()
        return self._machinery().add_source(source, constraints)

    def post(self, task: Task) -> None:
        """Run a task on the thread that runs events, as a listener would be (beyond the standard)."""
        self._machinery().poster()(task)

    # devicechange

    @property
    def ondevicechange(self) -> Listener | None:
        """Return the handler of ``devicechange``, or None."""
        return self._on_device_change

    @ondevicechange.setter
    def ondevicechange(self, handler: Listener | None) -> None:
        self._on_device_change = handler
        self._follow()

    def add_event_listener(self, type: str, listener: Listener, *, once: bool = False) -> None:  # noqa: A002
        """Call ``listener(event)`` whenever an event of this type fires. Adding a listener again changes nothing.

        ``once``: remove the listener before its first call.
        """
        super().add_event_listener(type, listener, once=once)
        self._follow()

    def remove_event_listener(self, type: str, listener: Listener) -> None:  # noqa: A002
        """Stop calling ``listener``. Unknown listeners are ignored."""
        super().remove_event_listener(type, listener)
        self._follow()

    def _follow(self) -> None:
        """Watch the devices if and only if somebody listens."""
        made = (
            [self._begin_watch()] if self._is_heard and self._watch is None else []
        )  # without the lock: a backend may be slow
        with self._replacing:
            there = made if self._watch is None else [self._watch, *made]
            self._watch = there.pop(0) if there and self._is_heard else None
        for watch in there:
            watch.close()

    @property
    def _is_heard(self) -> bool:
        """Return whether somebody listens and these devices are not closed."""
        heard = self.listens("devicechange")
        return heard and not self._machine.closed

    def _begin_watch(self) -> DeviceWatch:
        from mscli.api.devicewatch import DeviceWatch

        notify = partial(_call_if_held, WeakMethod(self._post_change), self._machinery().poster())
        return DeviceWatch(self._machine.listings(DEVICE_KINDS), notify)

    def _post_change(self, post: Callable[[Task], None], devices: list[Device], inserted: list[Device]) -> None:
        from mscli.api.devicechangeevent import DeviceChangeEvent

        ask = self._machine.abilities_of
        infos = {device_info(device, ask): device in inserted for device in sorted(devices, key=standard_order)}
        came = tuple(info for info, is_new in infos.items() if is_new)
        event = DeviceChangeEvent("devicechange", {"devices": tuple(infos)}, inserted=came)
        post(lambda: self._fire_change(event))

    def _fire_change(self, event: DeviceChangeEvent) -> None:
        self.fire(event)
        self._follow()  # a listener may have been there for one event only

    def _machinery(self) -> UserMedia:
        """Return the object that opens devices. Its module is imported on first use."""
        from mscli.api.getusermedia import UserMedia

        with self._replacing:
            if self._user_media is None:
                self._user_media = UserMedia(self._machine, self._tasks)
                _OPEN.add(self._user_media)
            return self._user_media


def _stop_tracks(asked: Future[MediaStream]) -> None:
    """Stop the tracks that nobody waits for any more."""
    if not asked.cancelled() and asked.exception() is None:
        for track in asked.result().get_tracks():
            track.stop()


def _call_if_held(method: WeakMethod[Callable[..., None]], *given: object) -> None:
    """Call a method of an object that threads must not keep alive, unless it is gone."""
    call = method()
    if call is not None:
        call(*given)


_OPEN: WeakSet[UserMedia] = WeakSet()  # those that are not closed
os.register_at_fork(after_in_child=_OPEN.clear)  # they belong to the parent: the child must not close its devices


@atexit.register
def close_left_open() -> None:
    """Close what the program left open, with a warning, so that recordings are complete. Called at the exit, once or more."""
    left_open = list(_OPEN)
    _OPEN.clear()
    for user_media in left_open:
        user_media.close()
    finish_handed_over(STOP_S)  # a signal handler may have closed some
    if left_open:
        _warn_unclosed(" before the program ended", left_open[0])


def _warn_unclosed(when: str, source: object) -> None:
    import warnings

    sentence = f"MediaDevices were not closed{when}; call close(), or use a with statement"
    warnings.warn(sentence, ResourceWarning, stacklevel=1, source=source)

"""The options of a recording: its tracks, codecs, bit rates and files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mscli.core.codecs import CAMERA_CODECS
from mscli.core.frames import FORMATS
from mscli.core.orientation import Caption, Orientation, PictureFilters
from mscli.core.tuples import NamedTuple

if TYPE_CHECKING:
    from mscli.core.boxes import Scalar
    from mscli.core.level import Quiet

# The speeds of video encoders, from the fastest with the largest files. All encoders use x264's names.
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")

DECODED = "I420"  # what chunks become that are decoded
COPY = "copy"  # in place of a video codec's name: write the camera's encoded video unchanged


TAGS = ("title", "artist", "album", "genre", "comment", "copyright")  # what every container can say about itself


class TrackFormat(NamedTuple):
    """The description of a track before its first frame: its kind and settings (IDL names), and the native format."""

    kind: str  # "video" | "audio"
    settings: Mapping[str, Scalar] = MappingProxyType({})
    pixel_format: str = ""  # of the expected frames, if known; for sound, the sample format
    label: str = ""  # the device's name
    maker: str = ""  # who made the device, if known
    paced: bool = False  # whether its source waits for its readers, so that nothing is lost


class Series(NamedTuple):
    """The rules for a recording in several files: when the next file begins, and which files are kept. None: no such rule.

    If ``triggered``, each trigger begins a file, which includes the ``pre_roll_s`` seconds before it.
    """

    duration_s: float | None = None  # the length of a file; for a triggered one, from its trigger on
    size_bytes: int | None = None  # the largest size of a file
    clock_s: int | None = None  # a new file begins at every multiple of this interval in the local day
    keep_files: int | None = None  # how many of the newest finished files to keep
    keep_bytes: int | None = None  # the total size of the newest finished files to keep, at least one
    triggered: bool = False
    pre_roll_s: float = 0.0
    sound_db: float | None = None  # dBFS: for a triggered series, sound above it is a trigger while no file is written
    silence: Quiet | None = None  # after such a silence of all microphones, sound begins the next file; it ends a triggered one

    @property
    def keeps_all(self) -> bool:
        """Return whether no file is removed again."""
        return self.keep_files is None and self.keep_bytes is None


class LinkOptions(NamedTuple):
    """The options of outputs in the network.

    ``insecure``: whether any certificate is trusted. ``ca_file``: the certificates that are trusted in place of the system's.
    ``give_up_s``: how long to wait for a lost server; None: until the end.
    """

    insecure: bool = False
    ca_file: str = ""
    give_up_s: float | None = None


USUAL_LINK = LinkOptions()


class SinkOptions(NamedTuple):
    """The options of a sink. Empty or None means the sink's default for the container."""

    format: str = ""  # for raw sinks: the pixel or sample format to convert to, or a name in OUTPUT_FORMATS
    pixel_format: str = ""  # for raw sinks: the pixel format within one of OUTPUT_FORMATS
    frames: int | None = None  # for raw sinks: how many frames, or samples, will be written, if that is known
    video_codec: str = ""
    audio_codec: str = ""
    video_bits_per_second: int | None = None
    audio_bits_per_second: int | None = None
    size: tuple[int, int] | None = None  # width and height of encoded pictures; by default those of the first picture
    adapts: bool = False  # whether the bit rate can be changed while it encodes
    quality: float | None = None  # 0 to 1; for images as in canvas.toBlob; for video if no bit rate is given
    key_frame_s: float | None = None  # seconds between key frames; by default one
    key_frame_count: int | None = None
    preset: str = ""  # the video encoder's speed: one of PRESETS
    overwrite: bool = True  # whether a file may be replaced
    over_device: bool = False  # whether a block device may be overwritten
    metadata: bool = True  # whether files name their recording time, devices and program
    tags: Mapping[str, str] = MappingProxyType({})  # what else files say about themselves, by the names of TAGS
    silence: Quiet | None = None  # after such a silence of a microphone ``on_silence`` is called
    on_silence: Callable[[Any, float | None], object] | None = None  # with the track and the seconds, or None for sound again
    levels: bool = False  # whether the levels of sound are measured on its way into the sink
    deinterlace: bool = False  # whether interlaced pictures are made whole before they come to the sink
    time_lapse_s: float | None = (
        None  # seconds between two frames of a time-lapse, played at PLAYED_RATE of mscli.core.timelapse
    )
    faststart: bool = False  # whether the index of an MP4 or QuickTime file moves to its front at the end
    max_bytes: int | None = None  # the size limit of the whole recording; the sink ends before exceeding it
    series: Series | None = None  # for recordings in several files; the target is the pattern of their names
    orientation: Orientation | None = None  # how pictures are cropped, flipped and rotated
    caption: Caption | None = None  # a line of text that is burnt into pictures
    reopen: bool = False  # for raw sinks: whether a FIFO whose reader leaves waits for the next one
    frame_log: str | int | None = None  # for raw sinks: where to write a line of JSON for each frame
    link: LinkOptions = USUAL_LINK  # for outputs in the network
    on_note: Callable[[str], None] | None = None  # called with a sentence about a request that cannot be met
    extra: Mapping[str, Any] = MappingProxyType({})

    @property
    def filters(self) -> PictureFilters | None:
        """Return what is done to pictures before they come to the sink; a sink of pictures does it itself."""
        if self.orientation is None and self.caption is None:
            return None
        return PictureFilters(self.orientation, self.caption)

    def filtered(self, track: TrackFormat) -> TrackFormat:
        """Return a track as it comes to the sink. Raises NotSupportedError if its pictures are smaller than the crop."""
        if self.filters is None or track.kind != "video":
            return track
        settings, form = dict(track.settings), track.pixel_format
        if self.orientation is not None and "width" in settings:
            width, height = self.orientation.size_of(int(settings["width"]), int(settings["height"]))
            settings |= {"width": width, "height": height, "aspectRatio": width / height}
        if form in CAMERA_CODECS:
            form = DECODED
        elif form in FORMATS and not FORMATS[form].ffmpeg:
            form = "RGB24"
        return track._replace(settings=settings, pixel_format=form)

"""The MIME type that says how a recording was made: container and codecs. https://www.rfc-editor.org/rfc/rfc6381"""

from __future__ import annotations

from collections.abc import Sequence

from mscli.sinks.base import COPY, SinkOptions
from mscli.sinks.codecs import CONTAINERS, audio_codec, video_codec


def spell(suffix: str, usual: str, asked: str, options: SinkOptions, kinds: Sequence[str]) -> str:
    """``asked`` (else ``usual``, of the kind that is recorded), with the codecs of tracks of these kinds unless it has them."""
    container = CONTAINERS.get(suffix)
    if container is None or "codecs=" in asked.replace(" ", "").lower():
        return asked or usual
    family = "video" if "video" in kinds else "audio"
    base = asked or next((one for one in container.mime_types if one.startswith(family)), usual)
    if options.video_codec == COPY:
        return base  # the camera's, whichever it is
    codecs = [video_codec(container, options).mime_names[0]] if "video" in kinds else []
    codecs += [audio_codec(container, options).mime_names[0]] if "audio" in kinds else []
    return f"{base};codecs={','.join(codecs)}"

"""The place that a stream goes to: an address, the settings behind it, and what the process that sends needs to know.

Settings of one output follow its address: ``rtmp://host/live/KEY#bitrate=3M,size=1280x720,audio=aac``.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from mscli.core.addresses import masked, scheme_of
from mscli.core.errors import ArgumentError, NotFoundError, NotSupportedError
from mscli.core.limits import INTERLEAVE_US, PUBLISH_CONNECT_S
from mscli.core.location import locate
from mscli.core.nearest import did_you_mean
from mscli.core.quantities import parse_bit_rate, parse_picture_size
from mscli.core.trust import tls_options
from mscli.core.tuples import NamedTuple
from mscli.encode.options import SinkOptions
from mscli.sinks.recording.network.protocols import PROTOCOLS, Protocol

if TYPE_CHECKING:
    from mscli.sinks import SinkRow

TOKEN = "MSCLI_TOKEN"


def _name(text: str) -> str:
    return text


_SETTINGS: Mapping[str, tuple[str, Callable[[str], Any]]] = {  # name → the field of SinkOptions, and what reads the value
    "bitrate": ("video_bits_per_second", parse_bit_rate),
    "audio-bitrate": ("audio_bits_per_second", parse_bit_rate),
    "size": ("size", parse_picture_size),
    "video": ("video_codec", _name),
    "audio": ("audio_codec", _name),
}
_SECRETS = ("passphrase", "streamid")  # of SRT: for the program by a file, because everybody sees its arguments
_LIST = r"[a-z-]+=[^,=]*(?:,[a-z-]+=[^,=]*)*"


def without_settings(name: str) -> str:
    """Return the address itself."""
    return _split(name)[0]


def options_behind(name: str, options: SinkOptions) -> SinkOptions:
    """Return the options of an output: those behind its address, and the others. Raises TypeError for wrong settings."""
    found: dict[str, Any] = {"series": None, "max_bytes": None, "faststart": False}  # of the files beside it
    for one in filter(None, _split(name)[1].split(",")):
        key, _, value = one.partition("=")
        if key not in _SETTINGS:
            question = did_you_mean(key, list(_SETTINGS))
            raise ArgumentError(f"{masked(name)}: unknown setting “{key}”{question}; use {', '.join(_SETTINGS)}")
        field, read = _SETTINGS[key]
        try:
            found[field] = read(value)
        except ValueError as error:
            raise ArgumentError(f"{masked(name)}: {key}: {error}") from None
    if "video_bits_per_second" in found:
        found["quality"] = None
    return options._replace(**found)


def _split(name: str) -> tuple[str, str]:
    """Return an address, and the settings behind its last “#”, if they are some."""
    address, sign, settings = name.rpartition("#")
    if not (sign and scheme_of(name) and re.fullmatch(_LIST, settings)):
        return name, ""
    return address, settings


def protocol_of(row: SinkRow) -> Protocol:
    """Return the protocol of a row."""
    return PROTOCOLS[row.schemes[0] if row.schemes else "", row.suffix]


class Destination(NamedTuple):
    """The place that a stream goes to. ``name`` and ``server`` are for people, and have no secrets; the ``order`` has."""

    name: str
    server: str
    protocol: Protocol
    order: Mapping[str, Any]


def destination(row: SinkRow, target: str, options: SinkOptions) -> Destination:
    """Return where a stream goes. Raises TypeError if that is no address, NotSupportedError if ffmpeg is needed and missing."""
    protocol, link = protocol_of(row), options.link
    order = {
        "way": protocol.way, "muxer": protocol.container.muxer, "options": dict(protocol.options), "type": protocol.type,
        "trust": tls_options(insecure=link.insecure, ca_file=link.ca_file), "timeout_s": PUBLISH_CONNECT_S,
        "interleave_us": INTERLEAVE_US, "title": options.tags.get("title", ""), "port": protocol.port, "token": "",
    }  # fmt: skip
    address, token = without_settings(target), os.environ.get(TOKEN, "")
    if protocol.keyed and token and address.endswith("/"):
        address += token
    name = masked(target)
    try:
        where = locate(address)
    except NotFoundError as error:
        raise ArgumentError(f"{error}: {', '.join(error.hints)}") from None
    if not where.host or (protocol.scheme in ("udp", "srt") and not where.port):
        raise ArgumentError(f"{name} names no {'port' if where.host else 'host'}: write it as {where.scheme}://HOST:PORT")
    url = where.url_with_login
    if protocol.query and protocol.query.partition("=")[0] not in dict(parse_qsl(urlsplit(url).query)):
        url += f"{'&' if '?' in url else '?'}{protocol.query}"
    if protocol.way == "files" and not where.user:
        order["token"] = token
    more = _for_program(url, name) if protocol.way == "program" else {"url": url}
    return Destination(name, where.server, protocol, {**order, **more})


def _for_program(url: str, name: str) -> dict[str, Any]:
    """Return what an ffmpeg on the PATH needs beyond the rest. Raises NotSupportedError if there is none."""
    program = shutil.which("ffmpeg")
    if program is None:
        hints = ["install ffmpeg, which must know SRT: “ffmpeg -protocols” lists srt"]
        raise NotSupportedError(f"cannot publish to {name}: that needs the program ffmpeg, and there is none on the PATH",
                                hints=hints)  # fmt: skip
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    secrets = {key: value for key, value in pairs if key in _SECRETS}
    shown = "&".join(f"{key}={value}" for key, value in pairs if key not in secrets)
    return {"program": program, "secrets": secrets, "url": parts._replace(query=shown).geturl()}

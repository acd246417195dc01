"""Write the encoder's delay into the first frame of an MP3 that begins, because FFmpeg only writes it at the end.

http://gabriel.mp3-tech.org/mp3infotag.html. Without it, players do not leave out the silence before the first sample: in a
pipe, and in the file of a killed process. How much of the last frame counts is only known at the end: a pipe ends with up to a
frame of silence.
"""

from __future__ import annotations

from mscli.core.codecs import AUDIO_CODECS

_MARK = b"Xing\0\0\0\x0f"  # with all fields
_DELAY_AT = 141  # bytes after the mark: 12 bits for the beginning, 12 bits for the end
_DECODER_DELAY = 529  # samples that players leave out in any case


def with_delay(head: bytes) -> bytes:
    """Return the first bytes of an MP3 with the encoder's delay."""
    at = head.find(_MARK) + _DELAY_AT
    delay = (AUDIO_CODECS["mp3"].delay - _DECODER_DELAY) << 12
    return head if at < _DELAY_AT or at + 3 > len(head) else head[:at] + delay.to_bytes(3, "big") + head[at + 3 :]

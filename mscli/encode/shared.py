"""Sound that the encodings of one recording share: placed once, and encoded once for each codec and bit rate.

Each encoding has its own thread, so that a slow video encoder harms no other output. The sound of a track is the same for all
of them: the encoding that is ahead places and encodes it, and the others take the results. Nobody waits for a slower one.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from threading import RLock
from typing import TYPE_CHECKING

from mscli.core.clock import MICROSECONDS
from mscli.core.codecs import AudioCodec
from mscli.core.frames import AudioData, EncodedAudioChunk, between, clip, without_first
from mscli.core.limits import AUDIO_QUEUE_SECONDS, KEPT_SOUND_US, OTHERS_BEGIN_US
from mscli.core.tuples import NamedTuple
from mscli.encode.audio import SoundPackets, SoundPlacer, check_channels
from mscli.encode.chunks import PacketStream, SoundShape
from mscli.encode.options import SinkOptions, TrackFormat

if TYPE_CHECKING:
    from mscli.encode.encoding import Encoding

_WARM_UP = 4  # packets after which an encoder's output continues that of another one
_HELD = 4  # packets that an encoder may hold back, and more

PacketKey = tuple[str, int | None]  # a codec, and the requested bits per second


class SharedMedia:
    """The beginning of the encodings of one recording, and the sound of each track. Safe from any thread."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.origin_us: int | None = None  # the time at which they begin, once known
        self._encodings: list[Encoding] = []  # those that have not ended
        self._sounds: dict[int, SharedSound] = {}  # track of the recording → its sound
        self._wanted: Counter[tuple[int, PacketKey]] = Counter()  # track and codec → outputs

    def join(self, encoding: Encoding) -> None:
        """Add an encoding."""
        with self.lock:
            self._encodings.append(encoding)

    def leave(self, encoding: Encoding) -> None:
        """Wait for an encoding no longer, because it has ended. Safe to call again."""
        with self.lock:
            self._encodings = [one for one in self._encodings if one is not encoding]

    def reader(self, place: int, track: TrackFormat) -> SharedSoundReader:
        """Return a reader of a track's sound. ``place``: the track's position in the recording."""
        with self.lock:
            found = self._sounds.get(place)
            if found is None or found.over:
                found = self._sounds[place] = SharedSound(track, self.lock)
            return SharedSoundReader(found)

    def want(self, place: int, key: PacketKey) -> None:
        """Count an output that can take the track's sound as such packets."""
        with self.lock:
            self._wanted[place, key] += 1

    def is_wanted_twice(self, place: int, key: PacketKey) -> bool:
        """Return whether several outputs can take the same packets."""
        return self._wanted[place, key] > 1

    def begin(self, encoding: Encoding, begun: Sequence[int], at_us: int, *, ending: bool) -> int | None:
        """Return the time at which an encoding begins that is ready to, or None as long as it waits for others.

        Those that share sound begin together, with the first frame of any track. ``begun``: the times of its own first frames.
        """
        with self.lock:
            if self.origin_us is None:
                firsts: dict[int, int | None] = {}
                for other in self._encodings:
                    if other is not encoding and other.sounds & encoding.sounds:
                        firsts.update({place: first for place, first in other.firsts() if firsts.get(place) is None})
                waits = any(first is None for place, first in firsts.items() if place not in encoding.places)
                if waits and not ending and at_us - min(begun) <= OTHERS_BEGIN_US:
                    return None
                self.origin_us = min([*begun, *(first for first in firsts.values() if first is not None)])
            return min(self.origin_us, *begun)


class _Placed(NamedTuple):
    """The result of one block: silence and its sound. ``sent``, ``silence``, ``skipped``: the numbers of samples before."""

    key: tuple[int, int] | None  # the block's time and sequence, or None for silence because no block has come
    heard: int  # samples of the block
    pieces: tuple[AudioData, ...]
    sent: int
    silence: int
    skipped: int


class SharedSound:
    """The sound of one track for all encodings. A step is kept until all readers have taken it."""

    def __init__(self, track: TrackFormat, lock: RLock) -> None:
        self.track = track
        self.lock = lock
        self.placer = SoundPlacer(track)
        self.started = False
        self.over = False  # whether all readers have left
        self.readers: list[SharedSoundReader] = []
        self.packets: dict[PacketKey, SharedPackets] = {}
        self.steps: deque[_Placed] = deque()
        self.first = 0  # the number of the oldest step

    @property
    def most_samples(self) -> int:
        """Return how many samples are kept for a slow reader: more than wait in its queue."""
        return 2 * AUDIO_QUEUE_SECONDS * self.placer.shape.rate

    @property
    def end(self) -> int:
        """Return the number of the next step."""
        return self.first + len(self.steps)

    def place(self, key: tuple[int, int] | None, heard: int, place: Callable[[], Iterable[AudioData]]) -> None:
        """Add a step: the result of ``place``."""
        sent, (silence, skipped) = self.placer.sent, self.placed
        pieces = tuple(place())
        if pieces or key is not None:
            self.steps.append(_Placed(key, heard, pieces, sent, silence, skipped))

    @property
    def placed(self) -> tuple[int, int]:
        """Return the samples of silence and those skipped so far."""
        done = self.placer.corrections()
        return done.get("silence", 0), done.get("skipped", 0)

    def find(self, key: tuple[int, int], begin: int) -> int | None:
        """Return the number of the last step of a block, from the step ``begin`` on."""
        found = None
        for number, step in enumerate(islice(self.steps, begin - self.first, None), begin):
            if step.key == key:
                found = number
            elif found is not None:
                break
        return found

    def trim(self) -> None:
        """Forget the steps that all readers have taken, or that are too old for the queue of a reader that hangs."""
        least = min((reader.at for reader in self.readers), default=self.end)
        while self.first < least or (self.steps and self.placer.sent - self.steps[0].sent > self.most_samples):
            self.steps.popleft()
            self.first += 1
        for reader in self.readers:
            reader.at = max(reader.at, self.first)

    def leave(self, reader: SharedSoundReader) -> None:
        """Forget a reader. Without one, free everything."""
        self.readers = [one for one in self.readers if one is not reader]
        self.over = not self.readers
        self.trim()
        if self.over:
            self.placer.close()


class SharedSoundReader:
    """The sound of a track as one encoding takes it. A block that another one has placed is not placed again."""

    first_wait_us = SoundPlacer.first_wait_us
    faults = SoundPlacer.faults

    def __init__(self, sound: SharedSound) -> None:
        self.sound = sound
        self.end_us: int | None = None  # no sample is taken after this time
        self.at = sound.end  # the number of the next step
        self._early: list[AudioData] = []
        self._begin = 0  # the number of the first sample
        self._before = 0, 0  # samples of silence and skipped ones before it
        self._past_end = 0  # samples left out because they come after the end
        self._final: Mapping[str, int] | None = None  # the corrections, once it has left
        self._lock = sound.lock
        sound.readers.append(self)

    @property
    def first_us(self) -> int | None:
        """Return the capture time of the track's first sample (microseconds), or None if none came before the start."""
        early = self._early
        return early[0].timestamp if early else None

    @property
    def follows(self) -> bool:
        """Return whether it can continue where others are: they have placed its first block, or are gone."""
        sound, early = self.sound, self._early
        with self._lock:
            alone = sound.readers == [self] or not sound.started
            return alone or (bool(early) and sound.find(_key(early[0]), self.at) is not None)

    def hold(self, block: AudioData) -> None:
        """Take a block before the start."""
        self._early.append(block)

    def start(self, origin_us: int, now_us: int) -> None:  # noqa: ARG002 (whatever has come by now)
        """Begin at ``origin_us``. Samples are counted from where the first reader begins."""
        with self._lock:
            if self.at and not self.follows:  # it was added, and the others are far behind
                self.sound.leave(self)
                self.sound, self.at = SharedSound(self.sound.track, self._lock), 0
                self.sound.readers.append(self)
            sound = self.sound
            if not sound.started:
                sound.started = True
                sound.placer.start(origin_us, self._early[0] if self._early else None)
            self._begin = max(0, self.position(origin_us))
            if self._begin:
                steps = islice(sound.steps, self.at - sound.first, None)
                inside = (one for one in steps if one.pieces and one.pieces[-1].sequence + one.pieces[-1].count > self._begin)
                first = next(inside, None)
                self._before = sound.placed if first is None else (first.silence, first.skipped)

    def held(self) -> list[AudioData]:
        """Return the sound that waited for the start."""
        blocks, self._early = self._early, []
        return [sound for block in blocks for sound in self.encode(block)]

    def encode(self, block: AudioData) -> list[AudioData]:
        """Return the sound up to the block, in its place."""
        with self._lock:
            sound, key, encode = self.sound, _key(block), self.sound.placer.encode
            found = sound.find(key, self.at)
            if found is None and self.at == sound.end:
                sound.place(key, block.count, lambda: encode(block))
                return self._take(sound.end)
            if found is None:  # the others, who are ahead, have none
                return []
            heard = sound.steps[found - sound.first].heard
            if heard < block.count and found + 1 == sound.end:  # another one ends within this block
                sound.place(key, block.count, lambda: encode(without_first(block, heard)))
                return self._take(sound.end)
            return self._take(found + 1)

    def keep_up(self, until_us: int) -> list[AudioData]:
        """Return silence up to ``until_us`` if no sound has come."""
        with self._lock:
            sound = self.sound
            if self.at != sound.end:
                return []
            sound.place(None, 0, lambda: sound.placer.keep_up(until_us))
            return self._take(sound.end)

    def finish(self) -> list[AudioData]:
        """Return the sound that is still held back, unless others continue."""
        with self._lock:
            sound = self.sound
            if self.at != sound.end or sound.readers != [self]:
                return []
            sound.place(None, 0, sound.placer.finish)
            return self._take(sound.end)

    def close(self) -> None:
        """Take no more. Safe to call again."""
        with self._lock:
            if self._final is None:
                self._final = self.corrections()
                self._early = []
                self.sound.leave(self)

    def packets(self, codec: AudioCodec, options: SinkOptions, begin_us: int) -> PacketReader:
        """Return a reader of the sound's packets, from those on that a decoder needs to begin at ``begin_us``.

        Raises NotSupportedError if the codec cannot have that many channels.
        """
        with self._lock:
            key = packet_key(codec, options)
            found = self.sound.packets.get(key)
            if found is None:
                check_channels(codec, self.shape.channels)
                found = self.sound.packets[key] = SharedPackets(codec, self.shape, options, self.sound.placer.origin_us)
            return PacketReader(found, self.sound, key, begin_us)

    @property
    def shape(self) -> SoundShape:
        """Return the shape of the samples for an encoder. The track must have started."""
        return self.sound.placer.shape

    def position(self, at_us: int) -> int:
        """Return the sample number at an instant."""
        return self.sound.placer.position(at_us)

    def instant_us(self, position: int) -> int:
        """Return the instant of a sample, the inverse of ``position``."""
        return self.sound.placer.instant_us(position)

    def ends_by(self, sample: int) -> bool:
        """Return whether no sample from this number on is taken any more."""
        return self.end_us is not None and self.position(self.end_us) <= sample

    def taken_before(self, at_us: int) -> int:
        """Return how many samples the encoding has of the time before an instant, once all of them have come."""
        return max(0, self.position(at_us) - self._begin)

    def corrections(self) -> Mapping[str, int]:
        """Return the corrections of the sound for the report."""
        if self._final is not None:
            return self._final
        with self._lock:
            done = dict(self.sound.placer.corrections())
        if done:
            done["silence"] -= self._before[0]
            done["skipped"] += self._past_end - self._before[1]
        return done

    def _take(self, end: int) -> list[AudioData]:
        sound = self.sound
        steps = islice(sound.steps, self.at - sound.first, end - sound.first)
        pieces = [self._inside(piece) for step in steps for piece in step.pieces]
        self.at = end
        sound.trim()
        return pieces

    def _inside(self, piece: AudioData) -> AudioData:
        """Return the part between the beginning and the end.

        Blocks that overlap slightly, because the first ones were stamped late, would otherwise reach past the end.
        """
        if piece.sequence < self._begin:
            piece = between(piece, self._begin, piece.sequence + piece.count)
        if self.end_us is None:
            return piece
        inside = clip(piece, max(0, self.position(self.end_us) - piece.sequence))
        self._past_end += piece.count - inside.count
        return inside


class SharedPackets:
    """An encoder of a track's sound, and its packets since KEPT_SOUND_US ago or until all readers have taken them."""

    def __init__(self, codec: AudioCodec, shape: SoundShape, options: SinkOptions, origin_us: int) -> None:
        self.encoder = SoundPackets(codec, shape, options, origin_us)
        self.readers: list[PacketReader] = []
        self.kept: deque[tuple[int, EncodedAudioChunk]] = deque()  # each with the samples that had been passed when it came
        self.first = 0  # the number of the oldest packet
        self.sent: int | None = None  # the number of the next sample
        self._ended = False  # whether everything is encoded
        self._another: Callable[[], SoundPackets] = lambda: SoundPackets(codec, shape, options, origin_us)
        self._recent: deque[AudioData] = deque()  # the latest sound, for a last packet
        self._recent_count = 0
        self._recent_most = self.encoder.samples(_WARM_UP + _HELD)
        self.ends: dict[int, list[EncodedAudioChunk]] = {}  # the number after the last sample → the last packets for it

    @property
    def end(self) -> int:
        """Return the number of the next packet."""
        return self.first + len(self.kept)

    def encode(self, sound: AudioData) -> None:
        """Encode what has not been encoded of placed sound."""
        last = sound.sequence + sound.count
        if self.sent is not None and last <= self.sent:
            return
        part = sound if self.sent is None else between(sound, self.sent, last)
        self.sent = last
        self._recent.append(part)
        self._recent_count += part.count
        while self._recent_count - self._recent[0].count > self._recent_most:
            self._recent_count -= self._recent.popleft().count
        self._keep(self.encoder.encode(part))

    def finish(self) -> None:
        """Encode the rest. No more sound comes. Safe to call again."""
        if not self._ended:
            self._ended = True
            self._keep(self.encoder.finish())

    def close(self) -> None:
        """Free the encoder and its packets."""
        self.encoder.close()
        for held in (self.kept, self._recent, self.ends):
            held.clear()

    def number_at(self, begin_us: int) -> int:
        """Return the number of the first packet that a decoder needs to begin at ``begin_us``."""
        early = (one for one in self.kept if one[1].timestamp + self.encoder.delay_us < begin_us)
        return self.first + sum(1 for _ in early)

    def ended_at(self, sent: int, at: int) -> list[EncodedAudioChunk]:
        """Return the packets from the number ``at`` on for a file that ends with sample ``sent``, while others continue.

        If the encoder still holds the last ones back, another encoder makes them of the latest sound.
        """
        chunks = [one for _, one in islice(self.kept, at - self.first, None)]
        if self._ended and sent == self.sent:
            return chunks
        last = self.encoder.place(sent)
        chunks = [one for one in chunks if one.sequence < last]
        newest = self.kept[-1][1] if self.kept else None
        if newest is None or self.encoder.end_of(newest) < last:
            if sent not in self.ends:
                self.ends[sent] = self._last_packets(sent, None if newest is None else self.encoder.end_of(newest))
            return chunks + self.ends[sent]
        if chunks and self.encoder.end_of(chunks[-1]) > last:
            chunks[-1] = self.encoder.shortened(chunks[-1], sent)
        return chunks

    def trim(self) -> None:
        """Forget the packets that nobody needs, or that are too old for the queue of a reader that hangs."""
        least = min((reader.at for reader in self.readers), default=self.end)
        while self.kept and (lead_us := self.kept[-1][1].timestamp - self.kept[0][1].timestamp) > KEPT_SOUND_US:
            if self.first >= least and lead_us <= 2 * AUDIO_QUEUE_SECONDS * MICROSECONDS:
                break
            self.kept.popleft()
            self.first += 1
        for reader in self.readers:
            reader.at = max(reader.at, self.first)

    def _keep(self, chunks: Iterable[EncodedAudioChunk]) -> None:
        assert self.sent is not None, "called with sound"
        self.kept.extend((self.sent, chunk) for chunk in chunks)

    def _last_packets(self, sent: int, begin: int | None) -> list[EncodedAudioChunk]:
        """Return the packets from ``begin`` on (None: all) of an encoder that ends with sample ``sent``."""
        encoder = self._another()
        oldest = self._recent[0].sequence
        first = oldest if begin is None else self.encoder.beginning(begin, _WARM_UP, oldest)
        try:
            chunks: list[EncodedAudioChunk] = []
            for sound in self._recent:
                part = between(sound, first, sent)
                chunks += encoder.encode(part) if part.count else []
            chunks += encoder.finish()
        finally:
            encoder.close()
        return [one for one in chunks if begin is None or one.sequence >= begin - self.encoder.frame // 2]


class PacketReader:
    """The packets of a sound as one encoding takes them."""

    def __init__(self, packets: SharedPackets, sound: SharedSound, key: PacketKey, begin_us: int) -> None:
        self.key = key
        self.at = packets.number_at(begin_us)  # the number of the next packet
        self._packets = packets
        self._sound = sound
        self._sent: int | None = None  # the number after its latest sample
        packets.readers.append(self)

    @property
    def delay_us(self) -> int:
        """Return how long before a file's beginning its decoder needs chunks."""
        return self._packets.encoder.delay_us

    def stream(self) -> PacketStream:
        """Return the description of the packets for a file's header."""
        return self._packets.encoder.stream()

    def encode(self, sound: AudioData) -> list[EncodedAudioChunk]:
        """Return the chunks that the samples complete."""
        with self._sound.lock:
            packets = self._packets
            packets.encode(sound)
            self._sent = sent = sound.sequence + sound.count
            waiting = islice(packets.kept, self.at - packets.first, None)
            return self._taken([chunk for then, chunk in waiting if then <= sent])

    def since(self, begin_us: int) -> list[EncodedAudioChunk]:
        """Return the chunks already taken that a decoder needs to begin at ``begin_us``."""
        with self._sound.lock:
            packets = self._packets
            begin = packets.number_at(begin_us)
            return [chunk for _, chunk in islice(packets.kept, begin - packets.first, max(begin, self.at) - packets.first)]

    def rest(self) -> list[EncodedAudioChunk]:
        """Return the chunks up to the latest sample, for a file that ends there while others continue."""
        with self._sound.lock:
            return [] if self._sent is None else self._packets.ended_at(self._sent, self.at)

    def finish(self) -> list[EncodedAudioChunk]:
        """Return the last chunks."""
        with self._sound.lock:
            packets, sent = self._packets, self._sent
            if sent is None or sent != packets.sent or sent in packets.ends:
                return self.rest()
            if packets.readers == [self] or all(reader.ends_by(sent) for reader in self._sound.readers):
                packets.finish()
            return self.rest()

    def close(self) -> None:
        """Take no more. The last reader frees the encoder. Safe to call again."""
        with self._sound.lock:
            packets = self._packets
            packets.readers = [one for one in packets.readers if one is not self]
            if not packets.readers and self._sound.packets.get(self.key) is packets:
                del self._sound.packets[self.key]
                packets.close()

    def _taken(self, chunks: list[EncodedAudioChunk]) -> list[EncodedAudioChunk]:
        self.at += len(chunks)
        self._packets.trim()
        return chunks


def packet_key(codec: AudioCodec, options: SinkOptions) -> PacketKey:
    """Return the key that is equal for outputs whose sound can be encoded once."""
    return codec.name, options.audio_bits_per_second


def _key(block: AudioData) -> tuple[int, int]:
    return block.timestamp, block.sequence

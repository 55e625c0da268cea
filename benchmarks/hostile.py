"""Recordings of every format, and what a hostile hand can make of them; one seed, one file."""

import io
import random
import struct
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import soundfile

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
SECONDS = 1.2
MAX_BYTES = 1024 * 1024
"""What the server under test takes: SER_MAX_UPLOAD_MB=1."""

CONTAINERS = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG", "NIST", "MP3")
UNSOUND = {"NMS_ADPCM_16", "NMS_ADPCM_24", "NMS_ADPCM_32", "MPEG_LAYER_I", "MPEG_LAYER_II"}
"""Of these libsndfile can read some, and write none."""

ENCODED = {
    "vbr.mp3": ("-c:a", "libmp3lame", "-q:a", "5"),
    "tagged.mp3": ("-c:a", "libmp3lame", "-metadata", "title=" + "a" * 3000),
    "mp2": ("-c:a", "mp2", "-ar", "32000"),
    "m4a": ("-c:a", "aac"),
    "fast.m4a": ("-c:a", "aac", "-movflags", "+faststart"),
    "pieces.mp4": ("-c:a", "aac", "-movflags", "+frag_keyframe+empty_moov"),
    "alac.m4a": ("-c:a", "alac"),
    "mov": ("-c:a", "pcm_s16be"),
    "3gp": ("-c:a", "libopencore_amrnb", "-ar", "8000", "-ac", "1"),
    "amr": ("-c:a", "libopencore_amrnb", "-ar", "8000", "-ac", "1"),
    "aac": ("-c:a", "aac"),
    "webm": ("-c:a", "libopus"),
    "vorbis.webm": ("-c:a", "libvorbis"),
    "mka": ("-c:a", "flac"),
    "opus.ogg": ("-c:a", "libopus"),
    "vorbis.ogg": ("-c:a", "libvorbis"),
    "flac.oga": ("-c:a", "flac"),
    "wma": ("-c:a", "wmav2"),
    "avi": ("-c:a", "libmp3lame"),
    "flv": ("-c:a", "libmp3lame", "-ar", "22050"),
    "mpg": ("-c:a", "mp2", "-ar", "48000", "-f", "mpeg"),
    "ts": ("-c:a", "aac", "-f", "mpegts"),
    "ac3.mka": ("-c:a", "ac3"),
    "wavpack.mka": ("-c:a", "wavpack"),
}
SIGNATURES = (
    *(b"RIFF\xff\xff\xff\x7fWAVEfmt ", b"RF64\xff\xff\xff\xffWAVEds64", b"fLaC", b"OggS", b"caff"),
    *(b".snd", b"FORM\0\1\0\0AIFF", b"FORM\0\1\0\0AIFC", b"riff\x2e\x91\xcf\x11", b"NIST_1A\n"),
    *(b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x82\x84webm", b"\0\0\0\x20ftypM4A ", b"\0\0\0\x08moov"),
    *(b"#!AMR\n", b"#!AMR-WB\n", b"ID3\4\0\0\x7f\x7f\x7f\x7f", b"\xff\xfb\x90\0" * 3, b"FLV\1"),
    *(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"\0\0\x01\xba", b"RIFF\0\0\1\0AVI ", b"\xff\xf1\x50"),
)
ODD_TEXTS = (
    *(b"#EXTM3U\n#EXTINF:5,\nfile:///etc/passwd\n", b"ffconcat version 1.0\nfile /etc/passwd\n"),
    *(b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7\n" * 99, b"PK\3\4" + bytes(999)),
    *(b"\xef\xbb\xbf", b"\xff\xfe\0\0", b"MThd\0\0\0\6", b"{" * 9999, b"\0" * 65537, b"A"),
)

Corpus = dict[str, bytes]


def corpus() -> Corpus:
    """Write one voice in all formats and subtypes that the installed libraries can write."""
    voice, rate = soundfile.read(SAMPLES / "angry-woman.flac", dtype="float32")
    voice = voice[rate // 2 : rate // 2 + round(SECONDS * rate)]
    found = {}
    for container in CONTAINERS:
        for subtype in soundfile.available_subtypes(container):
            if subtype not in UNSOUND:
                found[f"{container}/{subtype}"] = written(voice, rate, container, subtype)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "voice.wav")
        soundfile.write(source, voice, rate)
        for name, options in ENCODED.items():
            found[name] = encoded(source, Path(folder, f"a.{name}"), *options)
    found["silence.flac"] = (SAMPLES / "silence.flac").read_bytes()
    return {name: data for name, data in found.items() if data}


def written(samples: np.ndarray, rate: int, container: str, subtype: str) -> bytes:
    """Write samples with libsndfile; empty where it wants another rate than that."""
    for rate_hz in (rate, 8000):
        buffer = io.BytesIO()
        try:
            soundfile.write(buffer, samples, rate_hz, format=container, subtype=subtype)
            return buffer.getvalue()
        except (soundfile.LibsndfileError, ValueError):
            continue
    return b""


def encoded(source: Path, target: Path, *options: str) -> bytes:
    """Convert with ffmpeg, the same at each call; empty where it cannot."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", "-i", source]
    command += ["-fflags", "+bitexact", "-flags", "+bitexact", *options, target]
    done = subprocess.run(command, check=False, capture_output=True)
    return target.read_bytes() if done.returncode == 0 else b""


def pick(corpus: Corpus, dice: random.Random) -> bytes:
    return corpus[dice.choice(sorted(corpus))]


def intact(corpus: Corpus, dice: random.Random) -> bytes:
    return pick(corpus, dice)


def flipped(corpus: Corpus, dice: random.Random) -> bytes:
    """Turn over some bits, mostly of the header."""
    data = bytearray(pick(corpus, dice))
    for _ in range(dice.choice((1, 2, 8, 64, 512))):
        end = min(len(data), 200) if dice.random() < 0.6 else len(data)
        data[dice.randrange(end)] ^= 1 << dice.randrange(8)
    return bytes(data)


def truncated(corpus: Corpus, dice: random.Random) -> bytes:
    data = pick(corpus, dice)
    length = dice.randrange(100) if dice.random() < 0.3 else dice.randrange(len(data))
    return data[:length] if dice.random() < 0.7 else data[length:]


EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def lying(corpus: Corpus, dice: random.Random) -> bytes:
    """Put extreme numbers where a header has its sizes, rates and channels."""
    data = bytearray(pick(corpus, dice))
    for _ in range(dice.randint(1, 4)):
        width, order = dice.choice((1, 2, 4, 8)), dice.choice(("little", "big"))
        number = dice.choice(EXTREMES) % (1 << 8 * width)
        place = dice.randrange(min(len(data), 120))
        data[place : place + width] = number.to_bytes(width, order)
    return bytes(data)


def lying_wav(corpus: Corpus, dice: random.Random) -> bytes:
    """Write a WAV whose header has nothing to do with what follows."""
    tag = dice.choice((0, 1, 2, 3, 6, 7, 0x11, 0x31, 0x50, 0x55, 0x161, 0xFFFE, 0xFFFF))
    channels = dice.choice((0, 1, 2, 64, 1024, 65535))
    rate = dice.choice((0, 1, 7, 8000, 16_000, 384_000, 2**31 - 1, 2**32 - 1))
    bits = dice.choice((0, 1, 8, 12, 16, 24, 32, 64, 65535))
    byte_rate = dice.choice((0, rate * 2 % 2**32, 2**32 - 1))
    header = struct.pack(
        "<HHIIHH", tag, channels, rate, byte_rate, dice.choice((0, 2, 65535)), bits
    )
    sound = dice.randbytes(dice.choice((0, 1, 999, 50_000)))
    sizes = (0, 1, 16, 18, 40, 2**31, 2**32 - 1)
    parts = [b"RIFF", struct.pack("<I", dice.choice((*sizes, len(sound) + 36))), b"WAVEfmt "]
    parts += [struct.pack("<I", dice.choice((16, 16, 16, *sizes))), header, b"data"]
    return b"".join([*parts, struct.pack("<I", dice.choice((*sizes, len(sound)))), sound])


def concatenated(corpus: Corpus, dice: random.Random) -> bytes:
    first = pick(corpus, dice)
    return first + (first if dice.random() < 0.3 else pick(corpus, dice))


def spliced(corpus: Corpus, dice: random.Random) -> bytes:
    """Begin as one format and go on as another."""
    first, second = pick(corpus, dice), pick(corpus, dice)
    return first[: dice.randrange(len(first))] + second[dice.randrange(len(second)) :]


def shuffled(corpus: Corpus, dice: random.Random) -> bytes:
    """Leave blocks out, repeat them, or change their order."""
    data = pick(corpus, dice)
    size = dice.choice((4, 64, 512, 4096))
    head = data[: dice.choice((0, 64, 512))]
    blocks = [data[start : start + size] for start in range(len(head), len(data), size)]
    return head + b"".join(dice.choice(blocks) for _ in blocks)


def random_bytes(corpus: Corpus, dice: random.Random) -> bytes:
    start = dice.choice(SIGNATURES) if dice.random() < 0.8 else b""
    return start + dice.randbytes(dice.choice((1, 40, 4000, 60_000)))


def odd_text(corpus: Corpus, dice: random.Random) -> bytes:
    text = dice.choice(ODD_TEXTS)
    return text if dice.random() < 0.5 else dice.choice(SIGNATURES) + text


def odd_sound(corpus: Corpus, dice: random.Random) -> bytes:
    """Write samples that are no numbers, no sound, or far from any scale."""
    count = dice.choice((1, 2, 100, 8000, 16_000, 48_000))
    chance = np.random.default_rng(dice.randrange(2**32))
    sound = chance.standard_normal(count).astype(np.float32)
    kind = dice.choice(("nan", "infinite", "some", "direct", "huge", "tiny", "square", "noise"))
    constant = {"nan": np.nan, "infinite": -np.inf, "direct": 1.0, "huge": 3e38, "tiny": 1e-44}
    if kind in constant:
        sound[:] = constant[kind]
    elif kind == "some":
        sound[chance.random(count) < 0.1] = chance.choice([np.nan, np.inf, -np.inf])
    elif kind == "square":
        sound = np.where(np.arange(count) % 2, 1.0, -1.0).astype(np.float32)
    container, subtype = dice.choice((("WAV", "FLOAT"), ("W64", "DOUBLE"), ("CAF", "FLOAT")))
    return written(sound, dice.choice((8000, 16_000, 44_100)), container, subtype)


def odd_shape(corpus: Corpus, dice: random.Random) -> bytes:
    """Write very many channels, or very high and low rates."""
    channels, rate = dice.choice(((64, 16_000), (1, 384_000), (8, 192_000), (1024, 8000), (1, 1)))
    rate = dice.choice((rate, rate, 1000, 12_345, 655_350))
    frames = dice.randrange(1, 200_000 // channels)
    sound = np.random.default_rng(dice.randrange(2**32)).uniform(-1, 1, (frames, channels))
    container = "FLAC" if channels <= 8 and dice.random() < 0.4 else "WAV"
    return written(sound, rate, container, "PCM_16")


def odd_size(corpus: Corpus, dice: random.Random) -> bytes:
    """Have a size at an edge of what is taken."""
    size = dice.choice((0, 1, 2, 3, 11, 44, MAX_BYTES - 1, MAX_BYTES, MAX_BYTES + 1, 2 * MAX_BYTES))
    voice = corpus["WAV/PCM_16"]
    return (voice * (size // len(voice) + 1))[:size]


BOMBS: dict[str, bytes] = {}


def bomb(corpus: Corpus, dice: random.Random) -> bytes:
    """Unfold to hours of silence; what it takes is made once."""
    if not BOMBS:
        silence = io.BytesIO()
        with soundfile.SoundFile(silence, "w", 8000, 1, "PCM_16", format="FLAC") as file:
            for _ in range(120):
                file.write(np.zeros(8000 * 60, np.int16))
        BOMBS["flac"] = silence.getvalue()
        BOMBS["wide flac"] = written(np.zeros((60_000, 8)), 655_350, "FLAC", "PCM_24")
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "a.wav")
            soundfile.write(source, np.zeros(8000 * 60, np.int16), 8000)
            for name, options in (
                ("ogg", ("-c:a", "libopus", "-b:a", "6k")),
                ("mp3", ("-c:a", "libmp3lame", "-b:a", "8k", "-write_xing", "0")),
                ("mka", ("-c:a", "flac")),
            ):
                minute = encoded(source, Path(folder, f"b.{name}"), *options)
                # A chain of links, of frames, of segments: each as long as it is repeated.
                BOMBS[name] = minute * max(1, MAX_BYTES // len(minute))
    return BOMBS[dice.choice(sorted(BOMBS))]


Mutation = Callable[[Corpus, random.Random], bytes]
MUTATIONS: dict[str, Mutation] = {
    "intact": intact,
    "bits flipped": flipped,
    "cut off": truncated,
    "header lies": lying,
    "WAV header lies": lying_wav,
    "concatenated": concatenated,
    "spliced": spliced,
    "shuffled": shuffled,
    "random bytes": random_bytes,
    "other files": odd_text,
    "no numbers, no sound": odd_sound,
    "channels and rates": odd_shape,
    "sizes at the edge": odd_size,
    "hours in a few kilobytes": bomb,
}
"""What is done to recordings, by name."""

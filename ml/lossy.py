"""Lossy codecs, there and back: each a row of `CODECS`, run by its real encoder and decoder."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.channels import fit, with_samples

if TYPE_CHECKING:
    from ml.audio import Waveform


@dataclass(frozen=True)
class Codec:
    """A lossy codec.

    Attributes
    ----------
    title : str
        For people.
    rate_hz : int
        Sampling rate at which it runs.
    bit_rates : tuple of int
        Sensible bit rates in bit/s; empty where it has only one.
    ffmpeg : tuple of str
        FFmpeg's encoder, decoder and sample format; empty if libsndfile runs it.
    sndfile : tuple of str
        libsndfile's container and subtype; empty if FFmpeg runs it.
    delay : int
        Samples at `rate_hz` by which what comes out lags, beyond what the decoder makes up for.
    """

    title: str
    rate_hz: int
    bit_rates: tuple[int, ...] = ()
    ffmpeg: tuple[str, ...] = ()
    sndfile: tuple[str, ...] = ()
    delay: int = 0


_AMR_RATES = (4750, 5900, 7400, 12200)

CODECS = {
    "mp3": Codec(
        "MP3", 16_000, (16_000, 24_000, 32_000, 64_000), ("libmp3lame", "mp3float", "fltp")
    ),
    "aac": Codec("AAC", 16_000, (16_000, 24_000, 48_000), ("aac", "aac", "fltp"), delay=1024),
    "opus": Codec("Opus", 16_000, (8_000, 12_000, 16_000, 24_000), ("libopus", "libopus", "flt")),
    "amr-nb": Codec("AMR-NB", 8_000, _AMR_RATES, ("libopencore_amrnb", "amrnb", "s16"), delay=40),
    "g722": Codec("G.722", 16_000, (), ("g722", "g722", "s16"), delay=22),
    "vorbis": Codec("Vorbis", 16_000, (), sndfile=("OGG", "VORBIS")),
    "gsm": Codec("GSM 06.10", 8_000, (), sndfile=("WAV", "GSM610")),
    "mu-law": Codec("G.711 mu-law", 8_000, (), sndfile=("WAV", "ULAW")),
    "a-law": Codec("G.711 A-law", 8_000, (), sndfile=("WAV", "ALAW")),
    "ima-adpcm": Codec("IMA ADPCM", 16_000, (), sndfile=("WAV", "IMA_ADPCM")),
}
"""Lossy codecs by name."""


def transcode(waveform: Waveform, name: str, bit_rate: int | None = None) -> Waveform:
    """Encode and decode a waveform; length, rate and alignment stay.

    Parameters
    ----------
    name : str
        A row of `CODECS`.
    bit_rate : int, optional
        bit/s for the codecs that have several; the first of its row if not given.
    """
    import soxr

    codec = CODECS[name]
    rate = waveform.sample_rate_hz
    sent = np.clip(soxr.resample(waveform.samples, rate, codec.rate_hz), -1, 1)
    if codec.ffmpeg:
        rates = codec.bit_rates or (0,)
        heard, rate_hz = _through_ffmpeg(sent, codec, bit_rate or rates[0])
    else:
        heard, rate_hz = _through_sndfile(sent, codec)
    late = codec.delay * rate_hz // codec.rate_hz
    return with_samples(waveform, fit(soxr.resample(heard[late:], rate_hz, rate), waveform))


def encoded_size(waveform: Waveform, name: str, bit_rate: int) -> int:
    """Return how many bytes FFmpeg's encoder makes of a waveform at its own rate."""
    return sum(packet.size for packet in _encode(waveform.samples, CODECS[name], bit_rate)[0])


def _encode(samples: np.ndarray, codec: Codec, bit_rate: int) -> tuple[list[Any], Any]:
    import av

    encoder, _decoder, sample_format = codec.ffmpeg
    context: Any = av.CodecContext.create(encoder, "w")
    context.sample_rate, context.layout, context.format = codec.rate_hz, "mono", sample_format
    context.time_base = Fraction(1, codec.rate_hz)
    if bit_rate:
        context.bit_rate = bit_rate
    context.open()
    # The codec looks ahead; silence behind the end brings its last samples out.
    padded = np.pad(samples, (0, 2 * (context.frame_size or 1024) + codec.delay))
    if sample_format == "s16":
        padded = np.round(padded * 32767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(padded[None], format=sample_format, layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = codec.rate_hz, 0, context.time_base
    return [*context.encode(frame), *context.encode(None)], context


def _through_ffmpeg(samples: np.ndarray, codec: Codec, bit_rate: int) -> tuple[np.ndarray, int]:
    import av

    packets, encoder = _encode(samples, codec, bit_rate)
    decoder: Any = av.CodecContext.create(codec.ffmpeg[1], "r")
    decoder.sample_rate, decoder.layout = codec.rate_hz, "mono"
    if encoder.extradata:
        decoder.extradata = encoder.extradata
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    heard = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    if heard.dtype == np.int16:
        heard = heard.astype(np.float32) / 32768
    return heard, frames[0].sample_rate


def _through_sndfile(samples: np.ndarray, codec: Codec) -> tuple[np.ndarray, int]:
    import soundfile

    container, subtype = codec.sndfile
    buffer = io.BytesIO()
    # Only Vorbis has a choice; the strongest compression is about 35 kbit/s here.
    strength = {"compression_level": 1.0} if subtype == "VORBIS" else {}
    soundfile.write(buffer, samples, codec.rate_hz, format=container, subtype=subtype, **strength)
    buffer.seek(0)
    return soundfile.read(buffer, dtype="float32")

"""All numbers of features, windows, decoding and training, with their units."""

from dataclasses import dataclass

SAMPLE_RATE_HZ = 16_000


@dataclass(frozen=True)
class DecodeLimits:
    """What a recording may cost to decode.

    Attributes
    ----------
    max_bytes : int
        Size of the file.
    max_seconds : float
        Length of the sound; acts while decoding.
    timeout_s : float
        Wall-clock time of the decoder.
    memory_bytes : int
        Address space of the decoder's process.
    """

    max_bytes: int = 100 * 1024 * 1024
    max_seconds: float = 3600.0
    timeout_s: float = 120.0
    memory_bytes: int = 2 * 1024**3


@dataclass(frozen=True)
class FeatureConfig:
    """Short-time analysis; one frame every `hop_length` samples.

    Attributes
    ----------
    sample_rate_hz : int
        Rate of the waveform, Hz.
    frame_length, hop_length : int
        Analysis window and its step, samples.
    n_mels, fmin_hz, fmax_hz
        Mel bands and the band they cover, Hz. CREMA-D as distributed to some users ends at
        5.5 kHz; a band that every corpus fills keeps a network from telling corpora by it.
    n_mfcc : int
        Cepstral coefficients.
    floor_db : float
        Log-Mel is floored this far under 0 dB.
    """

    sample_rate_hz: int = SAMPLE_RATE_HZ
    frame_length: int = 512
    hop_length: int = 200
    n_mels: int = 64
    fmin_hz: float = 40.0
    fmax_hz: float = 5400.0
    n_mfcc: int = 20
    floor_db: float = -100.0

    @property
    def n_features(self) -> int:
        """Columns of the stacked features: Mel, MFCC, ZCR, RMS."""
        return self.n_mels + self.n_mfcc + 2


@dataclass(frozen=True)
class WindowConfig:
    """How a recording of any length is cut for the network; seconds."""

    window_s: float = 3.0
    hop_s: float = 1.5
    min_duration_s: float = 0.5

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


@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained.

    Attributes
    ----------
    epochs, batch_size, seed : int
        An epoch draws as many clips as the training side has.
    learning_rate : float
        Peak of a cosine schedule after `warmup_epochs`.
    weight_decay : float
        Of AdamW.
    ema_momentum : float
        Of the running average of the weights, which is what is evaluated and kept.
    variants : int
        Augmented versions made of every training clip, beside the clean one.
    clean_share : float
        Share of draws that take the clean version.
    corpus_exponent : float
        A corpus of n clips is drawn in proportion to n to this power: 1 as they come, 0 all alike.
    label_smoothing : float
        Share of the target spread over the labels that the clip's corpus has.
    mixup_alpha : float
        Of the Beta distribution of mixup (Zhang et al. 2018), applied to half of the batches.
    time_masks, time_mask_frames, mel_masks, mel_mask_bands : int
        SpecAugment (Park et al. 2019): number and greatest width.
    precision : str
        A Keras dtype policy; the exported network is float32 in any case.
    """

    epochs: int = 45
    batch_size: int = 48
    seed: int = 1
    learning_rate: float = 1.5e-3
    warmup_epochs: int = 2
    weight_decay: float = 2e-2
    ema_momentum: float = 0.998
    variants: int = 5
    clean_share: float = 0.3
    corpus_exponent: float = 0.6
    label_smoothing: float = 0.05
    mixup_alpha: float = 0.3
    time_masks: int = 2
    time_mask_frames: int = 24
    mel_masks: int = 2
    mel_mask_bands: int = 8
    precision: str = "mixed_bfloat16"


@dataclass(frozen=True)
class SpeechConfig:
    """Where a voice is heard, when a recording is good enough to answer, and when to warn.

    Attributes
    ----------
    frame_length : int
        Samples that the voice activity detector judges at a time.
    block_s : float
        The detector's level is set anew for each such stretch, seconds.
    target_dbfs, max_gain_db : float
        Quieter stretches are raised towards this level, by at most so much, for the detector only.
    hear_twice_s : float
        Recordings shorter than this are judged on a second hearing, seconds.
    voice_probability, pause_probability : float
        A frame over the first is speech, under the second a pause.
    min_speech_s : float
        A window with less speech is not scored, seconds.
    min_snr_db : float
        Under this ratio of speech to noise the network's answers are not worth giving, dB.
    noisy_snr_db, quiet_dbfs, little_speech_s, little_speech_ratio : float
        An answer from a recording under one of these comes with a warning.
    clipped_share : float
        So does one from a recording with a larger share of clipped samples.
    """

    frame_length: int = 512
    block_s: float = 30.0
    target_dbfs: float = -20.0
    max_gain_db: float = 50.0
    hear_twice_s: float = 1.0
    voice_probability: float = 0.5
    pause_probability: float = 0.15
    min_speech_s: float = 0.2
    min_snr_db: float = 3.0
    noisy_snr_db: float = 10.0
    quiet_dbfs: float = -50.0
    little_speech_s: float = 1.0
    little_speech_ratio: float = 0.2
    clipped_share: float = 0.001

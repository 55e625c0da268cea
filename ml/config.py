"""All numbers of features, windows, decoding and training, with their units."""

from dataclasses import dataclass, field
from typing import Any

SAMPLE_RATE_HZ = 16_000


def option(default: Any, help: str, choices: tuple[str, ...] | None = None, least: int = 0) -> Any:
    """Make a dataclass field that is also an option of the command line."""
    return field(default=default, metadata={"help": help, "choices": choices, "least": least})


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


INPUTS = ("mel", "mfcc", "zcr", "rms")
"""What a network's input can consist of, in the order of its columns."""

NORMALISATIONS = ("none", "level", "feature")


@dataclass(frozen=True)
class FeatureConfig:
    """Short-time analysis, one frame every `hop_length` samples, and what a network gets of it.

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
    inputs : tuple of str
        Which of `INPUTS` go to the network.
    normalise : str
        ``"none"``: levels as recorded; ``"level"``: relative to the window's mean power;
        ``"feature"``: so, and each column with mean 0 and deviation 1 over the window.
    relative_floor_db : float
        Level-free features are cut off this far under the window's mean power.
    trim_db : float
        Frames at both ends of a window that lie this far under its loudest are cut off; 0 keeps
        all.

    Raises
    ------
    ValueError
        If `inputs` or `normalise` are none of those.
    """

    sample_rate_hz: int = SAMPLE_RATE_HZ
    frame_length: int = 512
    hop_length: int = 200
    n_mels: int = 64
    fmin_hz: float = 40.0
    fmax_hz: float = 5400.0
    n_mfcc: int = 20
    floor_db: float = -100.0
    inputs: tuple[str, ...] = INPUTS
    normalise: str = option(
        "level", "levels as recorded, free of them, or each column standardised", NORMALISATIONS
    )
    relative_floor_db: float = 70.0
    trim_db: float = option(0.0, "cut ends this many dB under the loudest frame off, 0: none")

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", tuple(self.inputs))
        if not self.inputs or not set(self.inputs) <= set(INPUTS):
            raise ValueError(f"inputs are some of {', '.join(INPUTS)}, not {self.inputs}")
        if self.normalise not in NORMALISATIONS:
            raise ValueError(
                f"normalise is one of {', '.join(NORMALISATIONS)}, not '{self.normalise}'"
            )

    @property
    def hop_s(self) -> float:
        """Seconds from one frame to the next."""
        return self.hop_length / self.sample_rate_hz

    @property
    def columns(self) -> dict[str, slice]:
        """Where each of `inputs` stands among the columns of a network's input."""
        widths = {"mel": self.n_mels, "mfcc": self.n_mfcc, "zcr": 1, "rms": 1}
        found, end = {}, 0
        for name in INPUTS:
            if name in self.inputs:
                found[name] = slice(end, end + widths[name])
                end += widths[name]
        return found

    @property
    def n_features(self) -> int:
        """Columns of a network's input."""
        return max(columns.stop for columns in self.columns.values())


@dataclass(frozen=True)
class WindowConfig:
    """How a recording of any length is cut for the network; seconds."""

    window_s: float = 3.0
    hop_s: float = 1.5
    min_duration_s: float = 0.5


@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained; every field is an option of ``train`` and says there what it is."""

    epochs: int = option(45, "each draws as many clips as the training side has", least=1)
    batch_size: int = option(48, "clips in a step", least=1)
    seed: int = option(1, "of weights, draws, masks and augmentation")
    learning_rate: float = option(1.5e-3, "peak of a cosine schedule")
    warmup_epochs: int = option(2, "in which the learning rate rises")
    weight_decay: float = option(2e-2, "of AdamW")
    ema_momentum: float = option(
        0.998, "of the running average of the weights, which is what is evaluated and kept; 0: none"
    )
    variants: int = option(5, "augmented versions made of every clip, beside the clean one")
    clean_share: float = option(0.3, "share of draws that take the clean version")
    corpus_exponent: float = option(
        0.6, "a corpus of n clips is drawn like n to this power: 1 as they come, 0 all alike"
    )
    label_smoothing: float = option(
        0.05, "share of the target spread over the labels that the clip's corpus has"
    )
    votes_weight: float = option(0.0, "share of the target that follows the listeners' votes")
    distill_weight: float = option(
        0.5, "share of the target that follows a teacher's answers, where there is one"
    )
    folds: int = option(
        5, "of speakers, each answered for by a teacher that learnt from the others", least=2
    )
    teachers: int = option(2, "heads whose mean is such an answer", least=1)
    start_share: float = option(
        0.5, "share of the weights that it began with in those that are kept, with --start"
    )
    mixup_alpha: float = option(
        0.3, "of the Beta distribution of mixup (Zhang et al. 2018), in half of the batches"
    )
    noise: float = option(
        0.0, "share of draws with noise of 5 to 30 dB SNR added to their Mel bands"
    )
    colouring: float = option(
        0.0, "share of draws whose spectrogram gets a microphone's frequency response"
    )
    narrowing: float = option(0.0, "share of draws that lose bands at the bottom and the top")
    crop_s: float = option(2.1, "seconds of a clip that a pretrained encoder hears at a time")
    encoder_rate: float = option(
        0.0, "peak of a pretrained encoder's own schedule; 0: it stays as it is"
    )
    encoder_blocks: int = option(2, "blocks at its end that learn")
    refits: int = option(
        0, "members that then learn from statistics of whole windows, the encoder as it is"
    )
    refit_epochs: int = option(20, "in which each of them does")
    refit_hearings: int = option(
        3, "how often each clip is pooled for them: first as it is, then drawn by chance", least=2
    )
    refit_batch_size: int = option(128, "clips in a step of theirs", least=1)
    refit_clean_share: float = option(0.5, "share of their draws that take the clip as it is")
    refit_mixup_alpha: float = option(0.3, "of mixup among them")
    intensity_weight: float = option(0.3, "of the intensity's part of the loss, where it is scored")
    time_masks: int = option(2, "stretches silenced (SpecAugment, Park et al. 2019)")
    time_mask_frames: int = option(24, "their greatest length")
    step_mask_steps: int = option(8, "the same for what a pretrained encoder hears, in its steps")
    mel_masks: int = option(2, "runs of Mel bands, or else of MFCC, set to their mean")
    mel_mask_bands: int = option(8, "their greatest width")
    loud_frames_db: float = option(
        40.0, "inputs are standardised by frames this close to their clip's loudest"
    )
    precision: str = option(
        "mixed_bfloat16",
        "a Keras dtype policy; what is exported is float32 in any case",
        ("float32", "mixed_bfloat16", "mixed_float16"),
    )


@dataclass(frozen=True)
class EncoderConfig:
    """What a pretrained speech encoder hears and how its frames go on.

    The analysis is that of Whisper (Radford et al. 2022), which is what the weights know.

    Attributes
    ----------
    blocks : int
        Transformer blocks that are kept.
    frame_length, hop_length, n_mels : int
        Short-time analysis, samples and Mel bands from 0 to 8 kHz.
    band_hz : float
        Bands that reach higher are silenced, since CREMA-D as distributed to some ends there.
    range_decades, peak : float
        Power is kept over so many decades under the loudest band, which is brought to this
        decimal logarithm.
    loud_db : float
        Frames that lie further under the loudest are pauses.
    pool : int
        Encoder frames of 20 ms that are averaged into one step.
    chunk_steps : int
        Steps that are encoded at a time, each once, whatever windows share them.
    """

    blocks: int = 3
    frame_length: int = 400
    hop_length: int = 160
    n_mels: int = 80
    band_hz: float = 5500.0
    range_decades: float = 8.0
    peak: float = 1.0
    loud_db: float = 40.0
    pool: int = 3
    chunk_steps: int = 50

    @property
    def step_length(self) -> int:
        """Samples in a step."""
        return 2 * self.hop_length * self.pool

    @property
    def chunk_frames(self) -> int:
        """Spectrogram frames in a chunk."""
        return 2 * self.pool * self.chunk_steps

    @property
    def width(self) -> int:
        """Numbers in a step: the convolutions' output and that of each block."""
        return 512 * (1 + self.blocks)


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
    second_speed : float
        How fast a recording without a voice is heard again.
    voice_probability, pause_probability : float
        A frame over the first is speech, under the second a pause.
    min_speech_s : float
        A window with less speech is not scored, seconds.
    min_voice_likeness, min_voice_share : float
        What resembles a voice is one if ``ml.judge`` finds it at least so likely, in at least so
        many of the windows that resemble one.
    min_snr_db : float
        Under this ratio of voice to noise the network's answers are not worth giving, dB.
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
    second_speed: float = 0.65
    voice_probability: float = 0.5
    pause_probability: float = 0.15
    min_speech_s: float = 0.2
    min_voice_likeness: float = 0.6
    min_voice_share: float = 0.2
    min_snr_db: float = 0.5
    noisy_snr_db: float = 10.0
    quiet_dbfs: float = -50.0
    little_speech_s: float = 1.0
    little_speech_ratio: float = 0.2
    clipped_share: float = 0.001


@dataclass(frozen=True)
class ExplainConfig:
    """How a sound is divided to find what carried an answer, and when the finding holds.

    Attributes
    ----------
    frame_length, hop_length : int
        Short-time spectrum in which parts are hushed, samples.
    stretch_s : float
        Length of a part, about.
    bands : int
        Parts above each other, of the same width on the Mel scale.
    fmin_hz, fmax_hz : float
        What they cover.
    heard_db : float
        Parts that lie further under the loudest are not asked about.
    chosen_share : float
        Share of the others that is shown as what mattered.
    draws : int
        How many sets of parts are drawn by chance to compare with.
    least_drop : float
        What the chosen parts must take from the probability, and
    beaten_share, least_ratio : float
        from how many of the draws they must take more, and how many times their mean.
    """

    frame_length: int = 512
    hop_length: int = 128
    stretch_s: float = 0.25
    bands: int = 6
    fmin_hz: float = 60.0
    fmax_hz: float = 5500.0
    heard_db: float = 40.0
    chosen_share: float = 0.15
    draws: int = 20
    least_drop: float = 0.05
    beaten_share: float = 0.95
    least_ratio: float = 1.5

"""What an analysis yields: frozen dataclasses that page, JSON and files are made from."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Notice:
    """A reason or a warning: a stable code, an English sentence, and the numbers in it."""

    code: str
    message: str
    params: dict[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True)
class Quality:
    """How good a recording is for this purpose.

    Attributes
    ----------
    duration_s : float
        Length of the decoded recording in seconds.
    speech_ratio : float
        Share of the duration in which a voice was detected, 0 to 1.
    snr_db : float or None
        Level of the voice over the noise in dB, as judged from the sound of the windows that hold
        one; None where there is no voice.
    level_dbfs : float
        RMS level in dB relative to full scale; -120 for digital silence.
    clipping : float
        Share of samples in runs at full scale, 0 to 1.
    bandwidth_hz : float
        Frequency under which 99 % of the energy above 60 Hz lies, at most half the sample rate.
    """

    duration_s: float
    speech_ratio: float
    snr_db: float | None
    level_dbfs: float
    clipping: float
    bandwidth_hz: float


@dataclass(frozen=True)
class Segment:
    """One window of the recording. `probabilities` is empty where the network did not score it."""

    start_s: float
    end_s: float
    outcome: str
    label: str | None
    confidence: float | None
    probabilities: dict[str, float]


@dataclass(frozen=True)
class Vote:
    """Majority over segments.

    Attributes
    ----------
    label : str
        The label that most segments bear; ties go to the higher summed probability.
    dominance : float
        Its share of the voting segments, 0 to 1.
    distribution : dict of str to float
        Each voted label's share; sums to 1.
    """

    label: str
    dominance: float
    distribution: dict[str, float]


@dataclass(frozen=True)
class ModelInfo:
    """Which trained model answered."""

    name: str
    version: str
    sha256: str
    labels: tuple[str, ...]


OUTCOMES = ("emotion", "uncertain", "no_speech", "too_short", "too_noisy")
"""What an answer can be: an emotion, or one of the reasons why there is none."""


@dataclass(frozen=True)
class Prediction:
    """The whole answer for one recording.

    Attributes
    ----------
    outcome : str
        One of `OUTCOMES`.
    reason : Notice or None
        What was measured, where `outcome` is not ``"emotion"``.
    label, confidence : str and float, or None
        The largest of `probabilities` and its calibrated value; None unless an emotion is given.
    probabilities : dict of str to float
        Calibrated, sums to 1; empty where the network did not score the recording.
    vote : Vote or None
        Majority over the scored segments.
    segments : tuple of Segment
        In the order of time.
    warnings : tuple of Notice
        What a reader should know before trusting the answer.
    intensity : float or None
        How strong the expression sounds, 0 (calm) to 1 (strong); None where the recording was not
        scored or the model does not measure it.
    """

    outcome: str
    reason: Notice | None
    label: str | None
    confidence: float | None
    probabilities: dict[str, float]
    quality: Quality
    vote: Vote | None
    segments: tuple[Segment, ...]
    model: ModelInfo
    warnings: tuple[Notice, ...] = ()
    intensity: float | None = None

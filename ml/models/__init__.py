"""The registry `MODELS`: every network with all that it decides, built in pure Keras 3."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ml.config import EncoderConfig, FeatureConfig, TrainConfig, WindowConfig
from ml.labels import LABEL_SETS, LABELS
from ml.models import cnn_bigru, cnn_gru, cnn_lstm, crnn, encoder_cnn_gru, mfcc_cnn, transformer

if TYPE_CHECKING:
    import keras

CORPORA_OF_ALL = ("cremad", "ravdess", "emodb", "nemo")


@dataclass(frozen=True)
class Architecture:
    """One row of `MODELS`.

    Attributes
    ----------
    name, title, description : str
        Its key; its name for people; one sentence about it.
    build : callable
        Takes ``frames``, ``features`` (a `FeatureConfig`), ``n_outputs`` and ``unroll`` (recurrent
        layers as a plain graph, which the serving runtime runs at any batch size) and returns a
        ``keras.Model`` from (batch, frames, n_features) to logits (batch, n_outputs). Its first
        layer is a ``keras.layers.Normalization`` called ``standardise``. Where there is an
        `encoder`, it is given too, and what it yields is another input and is standardised by
        ``standardise_encoded``.
    labels : tuple of str
        What it scores, some of ``ml.labels.LABELS`` in that order.
    features, windows : FeatureConfig, WindowConfig
        What it hears at a time.
    rule : str
        How windows become an answer: ``"mean"`` or ``"majority"``.
    train : TrainConfig
        Its recipe.
    corpora : tuple of str
        What it is trained on unless told otherwise.
    encoder : EncoderConfig, optional
        A pretrained encoder that listens first.
    intensity : bool
        A last output says how strong the voice sounds.
    members : int
        Parts that are trained beside each other, each with all outputs, one after another; what
        serves is the mean of their log-probabilities.
    """

    name: str
    title: str
    description: str
    build: Callable[..., keras.Model]
    labels: tuple[str, ...] = LABELS
    features: FeatureConfig = field(default_factory=FeatureConfig)
    windows: WindowConfig = field(default_factory=WindowConfig)
    rule: str = "mean"
    train: TrainConfig = field(default_factory=TrainConfig)
    corpora: tuple[str, ...] = CORPORA_OF_ALL
    encoder: EncoderConfig | None = None
    intensity: bool = False
    members: int = 1

    @property
    def n_outputs(self) -> int:
        """Numbers that the network yields for a window."""
        return len(self.labels) + self.intensity


MFCC = FeatureConfig(frame_length=1024, hop_length=512, n_mels=64, n_mfcc=40, inputs=("mfcc",))
"""94 frames of 40 coefficients in 3 s."""

LOG_MEL = FeatureConfig(frame_length=1024, hop_length=160, n_mels=128, inputs=("mel",))
"""300 frames of 128 bands in 3 s; one cache serves every network on it."""

SHORT = TrainConfig(epochs=14, variants=3, ema_momentum=0.99)
"""A run of minutes on two cores."""

TUNING = TrainConfig(
    epochs=6,
    batch_size=32,
    learning_rate=1e-3,
    encoder_rate=3e-5,
    warmup_epochs=1,
    ema_momentum=0.995,
    clean_share=0.4,
    label_smoothing=0.1,
    mixup_alpha=0.0,
    noise=0.2,
    colouring=0.3,
    narrowing=0.05,
    time_masks=1,
    mel_masks=0,
    refits=2,
)
"""For a network that goes on from a pretrained encoder, whose last blocks learn with it."""

ENCODER = Architecture(
    "encoder-cnn-gru",
    "Pretrained encoder with CNN and GRU",
    "Three blocks of a pretrained speech encoder (Whisper base), then pooled statistics, a "
    "convolution and a GRU that reads both ways, beside log-Mel, MFCC, ZCR and RMS.",
    encoder_cnn_gru.build,
    train=TUNING,
    encoder=EncoderConfig(),
    intensity=True,
    members=2,
)

MODELS = {
    row.name: row
    for row in (
        ENCODER,
        replace(
            ENCODER,
            name="encoder-cnn-gru-open",
            title="Pretrained encoder with CNN and GRU, open data",
            description=f"{ENCODER.description} Learnt only from corpora that products may use.",
            corpora=("cremad", "emodb"),
        ),
        Architecture(
            "cnn-gru",
            "CNN and GRU on all features",
            "Convolutions over log-Mel, MFCC, ZCR and RMS, a GRU over time, attention pooling.",
            cnn_gru.build,
            train=TrainConfig(epochs=40, distill_weight=0.7),
        ),
        Architecture(
            "mfcc-cnn",
            "CNN on MFCC",
            "Three convolutions over 40 MFCC and two wide dense layers; learnt from RAVDESS alone.",
            mfcc_cnn.build,
            features=MFCC,
            train=TrainConfig(
                epochs=60,
                batch_size=32,
                learning_rate=1e-3,
                ema_momentum=0.99,
                mel_mask_bands=4,
                time_mask_frames=10,
            ),
            corpora=("ravdess",),
        ),
        Architecture(
            "cnn-lstm",
            "CNN and LSTM on sequences of windows",
            "A CNN on each overlapping window of 1 s, an LSTM over five of them; "
            "sequences vote for the recording.",
            cnn_lstm.build,
            features=LOG_MEL,
            rule="majority",
            train=SHORT,
        ),
        Architecture(
            "cnn-bigru",
            "CNN and bidirectional GRU on log-Mel, four emotions",
            "Three convolution blocks over log-Mel, a GRU that reads both ways, a dense layer.",
            cnn_bigru.build,
            labels=LABEL_SETS["4"],
            features=LOG_MEL,
            train=SHORT,
        ),
        Architecture(
            "crnn",
            "CRNN on log-Mel, six emotions",
            "Convolutions that fold frequency away, two LSTM layers over time, attention pooling.",
            crnn.build,
            labels=LABEL_SETS["6"],
            features=LOG_MEL,
            train=SHORT,
        ),
        Architecture(
            "transformer",
            "Transformer on log-Mel, six emotions",
            "A convolutional stem over log-Mel and four transformer blocks, attention pooling.",
            transformer.build,
            labels=LABEL_SETS["6"],
            features=LOG_MEL,
            train=SHORT,
        ),
    )
}

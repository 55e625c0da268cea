"""What a network hears of voices, as pictures: one clip's features, and each emotion's."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy import fft

from ml.audio import Waveform
from ml.config import FeatureConfig
from ml.dataset import FeatureCache
from ml.features import Features, mel_places
from ml.labels import LABELS
from ml.palette import ACCENT, EMOTIONS, INK, RULE, SOFT, sheet

_LOUD_DB = 30.0
"""Frames this close to a clip's loudest are counted as voice."""
_TICKS_HZ = (100, 500, 1000, 2000, 4000)
_SLOPE_HZ = 1000
_N_MFCC = 13
_PANELS = (
    "Waveform",
    "Log-Mel: power in bands, dB; which frequencies sound (Hz)",
    "MFCC: the same, as a sum of cosines (1 to the last); the shape of the spectrum",
    "ZCR: how often the sign changes, % of samples; hissing over humming",
    "RMS: how loud, dBFS",
)
_PICTURE = {"origin": "lower", "aspect": "auto"}

MEASURES = {
    "loudness": "RMS, dBFS",
    "range of loudness": "RMS, 90th over 10th percentile, dB",
    "crossings": "ZCR, % of samples",
    "brightness": f"log-Mel above {_SLOPE_HZ} Hz over below, dB",
    "duration": "frames with voice, s",
}
"""Numbers that `measure_clip` makes of a clip, each with its unit."""


def show_features(waveform: Waveform, features: Features, config: FeatureConfig) -> Figure:
    """Draw a clip and its four features, one under the other, on one axis of time."""
    figure, axes = sheet(5, height_in=1.6, sharex=True, height_ratios=(1, 2, 1.6, 1, 1))
    signal_, mel, mfcc, zcr, rms = axes[:, 0]
    seconds = np.arange(len(features.rms)) * config.hop_s
    end_s = waveform.duration_s
    times = np.arange(len(waveform.samples)) / waveform.sample_rate_hz
    signal_.plot(times, waveform.samples, color=SOFT, linewidth=0.5)
    _draw_mel(mel, features.log_mel, end_s, config)
    mfcc.imshow(
        features.mfcc[1:], extent=(0, end_s, 1, len(features.mfcc)), **_PICTURE, cmap="RdBu"
    )
    zcr.plot(seconds, 100 * features.zcr, color=ACCENT)
    rms.plot(seconds, 20 * np.log10(np.maximum(features.rms, 1e-5)), color=ACCENT)
    for one, title in zip(axes[:, 0], _PANELS, strict=True):
        one.set_title(title, loc="left", fontsize=9)
    rms.set(xlabel="time, s", xlim=(0, end_s))
    return figure


def _draw_mel(axes: Any, log_mel: np.ndarray, end_s: float, config: FeatureConfig) -> None:
    top = log_mel.max()
    axes.imshow(log_mel, extent=(0, end_s, 0, 1), vmin=top - 60, vmax=top, cmap="magma", **_PICTURE)
    axes.set_yticks(mel_places(_TICKS_HZ, config), [str(hz) for hz in _TICKS_HZ])


def show_utterances(
    named: Sequence[tuple[str, Features]], config: FeatureConfig, columns: int = 3
) -> Figure:
    """Draw the log-Mel of several sounds side by side, with a title each, on the same scales.

    Parameters
    ----------
    named : sequence of (str, Features)
        A title, and what `ml.features.extract` gave for `config`.
    """
    rows = -(-len(named) // columns)
    figure, axes = sheet(rows, columns, height_in=2.3)
    frames = max(len(features.rms) for _name, features in named)
    for one in axes.flat[len(named) :]:
        one.set_axis_off()
    for one, (name, features) in zip(axes.flat, named, strict=False):
        _draw_mel(one, features.log_mel, len(features.rms) * config.hop_s, config)
        one.set_xlim(0, frames * config.hop_s)
        one.set_title(name, loc="left", fontsize=10, color=EMOTIONS.get(name, INK))
    for one in axes[-1]:
        one.set_xlabel("time, s")
    axes[0, 0].set_ylabel("Hz")
    return figure


def show_input(matrix: np.ndarray, config: FeatureConfig, title: str) -> Figure:
    """Draw a window as a network gets it: a row for each column of its input.

    Parameters
    ----------
    matrix : numpy.ndarray, shape (frames, n_features)
        From `ml.features.model_input`.
    """
    names = list(config.columns)
    figure, axes = sheet(len(names), height_in=1.2, sharex=True, height_ratios=_heights(names))
    end_s = len(matrix) * config.hop_s
    for one, name in zip(axes[:, 0], names, strict=True):
        part = matrix[:, config.columns[name]]
        if name == "mfcc":
            part = part[:, 1:]  # Beside the first, which is the level, no other would show.
        if part.shape[1] == 1:
            one.plot(np.arange(len(part)) * config.hop_s, part[:, 0], color=ACCENT)
        else:
            one.imshow(part.T, extent=(0, end_s, 0, part.shape[1]), cmap="magma", **_PICTURE)
        one.set_ylabel(name, rotation=0, ha="right", va="center")
    axes[0, 0].set_title(title, loc="left", fontsize=10)
    axes[-1, 0].set(xlabel="time, s", xlim=(0, end_s))
    return figure


def _heights(names: Sequence[str]) -> list[float]:
    return [{"mel": 2.0, "mfcc": 1.4}.get(name, 0.8) for name in names]


def measure_clip(features: Features, config: FeatureConfig) -> np.ndarray:
    """Put a clip into a few numbers, those of `MEASURES`, of its frames with voice.

    Returns
    -------
    numpy.ndarray, shape (len(MEASURES),)
    """
    loud = _loud(features)
    levels_db = 20 * np.log10(np.maximum(features.rms[loud], 1e-6))
    power = 10 ** (features.log_mel[:, loud].mean(axis=1) / 10)
    edge = round(float(mel_places([_SLOPE_HZ], config)[0]) * config.n_mels)
    low, high = np.quantile(levels_db, [0.1, 0.9])
    return np.array(
        [
            levels_db.mean(),
            high - low,
            100 * features.zcr[loud].mean(),
            10 * np.log10(power[edge:].mean() / power[:edge].mean()),
            np.count_nonzero(loud) * config.hop_s,
        ]
    )


def _loud(features: Features) -> np.ndarray:
    return features.rms >= features.rms.max() * 10 ** (-_LOUD_DB / 20)


def beside_usual(values: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    """Take from each speaker's rows their mean, so that what is left is not who speaks.

    Parameters
    ----------
    values : numpy.ndarray, shape (clips, n)
    speakers : numpy.ndarray, shape (clips,), str
    """
    left = np.empty_like(values)
    for speaker in np.unique(speakers):
        rows = speakers == speaker
        left[rows] = values[rows] - values[rows].mean(axis=0)
    return left


def show_measures(cache: FeatureCache) -> Figure:
    """Draw how the numbers of `MEASURES` differ with the emotion from the speaker's usual ones."""
    truth, speakers = _truth(cache), _speakers(cache)
    values = np.array(
        [measure_clip(cache.features(i), cache.config) for i in range(len(cache.clips))]
    )
    apart = beside_usual(values, speakers)
    labels = [label for label in LABELS if label in truth]
    figure, axes = sheet(len(MEASURES), height_in=1.7, sharex=True)
    for one, column, (name, unit) in zip(axes[:, 0], apart.T, MEASURES.items(), strict=True):
        one.axhline(0, color=RULE)
        boxes = one.boxplot(
            [column[truth == label] for label in labels],
            patch_artist=True,
            showfliers=False,
            widths=0.6,
            medianprops={"color": INK},
        )
        for box, label in zip(boxes["boxes"], labels, strict=True):
            box.set(facecolor=EMOTIONS[label], alpha=0.7)
        one.set_title(f"{name.capitalize()}: {unit}", loc="left", fontsize=9)
    axes[-1, 0].set_xticks(range(1, len(labels) + 1), labels)
    figure.supylabel("beside the speaker's mean", fontsize=9)
    return figure


def show_spectra(cache: FeatureCache) -> Figure:
    """Draw how each emotion's mean log-Mel lies beside the speaker's usual one, level set aside."""
    truth = _truth(cache)
    rows = [_mean_mel(cache.features(i)) for i in range(len(cache.clips))]
    apart = beside_usual(np.array(rows), _speakers(cache))
    config = cache.config
    figure, ((axes,),) = sheet(height_in=4)
    centres = np.linspace(0, 1, config.n_mels + 2)[1:-1]
    axes.axhline(0, color=RULE)
    ends = {}
    for label in (label for label in LABELS if label in truth):
        curve = apart[truth == label].mean(axis=0)
        axes.plot(centres, curve, color=EMOTIONS[label], linewidth=1.8)
        ends[label] = curve[-4:].mean()
    for label, height in zip(ends, spread(list(ends.values()), 0.07 * _span(axes)), strict=True):
        axes.text(1.0, height, label, color=EMOTIONS[label], fontsize=9, va="center")
    axes.set_xticks(mel_places(_TICKS_HZ, config), [str(hz) for hz in _TICKS_HZ])
    axes.set(xlabel="frequency, Hz", ylabel="dB beside the speaker's mean", xlim=(0, 1.1))
    return figure


def _span(axes: Any) -> float:
    low, high = axes.get_ylim()
    return high - low


def spread(heights: Sequence[float], least: float) -> list[float]:
    """Move heights up until each lies at least so far from the next, so that names do not meet."""
    order = np.argsort(heights)
    moved = np.array(heights, float)
    for lower, upper in pairwise(order):
        moved[upper] = max(moved[upper], moved[lower] + least)
    return list(moved - (moved.mean() - np.mean(heights)))


def _mean_mel(features: Features) -> np.ndarray:
    mean = features.log_mel[:, _loud(features)].mean(axis=1)
    return mean - mean.mean()


def show_mfcc(cache: FeatureCache) -> Figure:
    """Draw each emotion's mean MFCC beside the speaker's usual ones, in deviations over clips."""
    truth = _truth(cache)
    spectra = np.array([_mean_mel(cache.features(i)) for i in range(len(cache.clips))])
    mfcc = fft.dct(spectra, norm="ortho")[:, 1:_N_MFCC]
    apart = beside_usual(mfcc, _speakers(cache))
    apart = apart / np.maximum(apart.std(axis=0), 1e-9)
    labels = [label for label in LABELS if label in truth]
    means = np.array([apart[truth == label].mean(axis=0) for label in labels])
    figure, ((axes,),) = sheet(height_in=0.9 + 0.4 * len(labels))
    picture = axes.imshow(means, cmap="RdBu_r", vmin=-1.5, vmax=1.5, aspect="auto")
    axes.set_xticks(range(_N_MFCC - 1), range(1, _N_MFCC))
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="MFCC; the first is the slope of the spectrum")
    figure.colorbar(picture, ax=axes, label="deviations", shrink=0.9)
    return figure


def _truth(cache: FeatureCache) -> np.ndarray:
    return np.array([clip.label for clip in cache.clips])


def _speakers(cache: FeatureCache) -> np.ndarray:
    return np.array([clip.speaker for clip in cache.clips])

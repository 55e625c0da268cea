"""What corpora hold, as tables and pictures: clips, lengths, speakers, sides, recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ml.corpora import CORPORA, Clip, Speaker
from ml.dataset import FeatureCache, Split
from ml.features import mel_places
from ml.labels import LABELS
from ml.markdown import table
from ml.palette import ACCENT, EMOTIONS, INK, SEXES, SIDES, SOFT, blank, sheet

_LOUD_DB = 40.0
"""Frames that lie further under their clip's loudest are pauses."""
_MOST_NAMES = 30
"""More speakers than this are drawn without their names."""
_CORPUS_COLOURS = ("#33408f", "#c24a08", "#358b62", "#bf5490", "#0591b3", "#b0820a")
_CENTRED = {"ha": "center", "va": "center", "fontsize": 8}


def durations_s(cache: FeatureCache) -> np.ndarray:
    """Length of each clip, seconds, to a frame."""
    return cache.cache.lengths[:, 0] * cache.config.hop_s


def corpora_table(clips: Sequence[Clip], durations: np.ndarray) -> str:
    """Lay out in Markdown what each corpus is and how much of it there is.

    Parameters
    ----------
    durations : numpy.ndarray, shape (clips,)
        Seconds.
    """
    heads = ("corpus", "language", "licence", "emotions", "clips", "speakers", "hours")
    rows = []
    for name, places in _by_corpus(clips).items():
        row, own = CORPORA[name], [clips[place] for place in places]
        rows.append(
            (
                row.title,
                row.language,
                row.licence,
                str(len({clip.label for clip in own})),
                str(len(own)),
                str(len({clip.speaker for clip in own})),
                f"{durations[places].sum() / 3600:.2f}",
            )
        )
    return "\n".join(table(heads, rows))


def sides_table(split: Split) -> str:
    """Lay out in Markdown how many clips and speakers stand on each side."""
    sides = {name: getattr(split, name) for name in SIDES}
    heads = (
        "corpus",
        *(f"{side}: speakers" for side in sides),
        *(f"{side}: clips" for side in sides),
    )
    rows = []
    for corpus in dict.fromkeys(clip.corpus for side in sides.values() for clip in side):
        own = [[clip for clip in side if clip.corpus == corpus] for side in sides.values()]
        speakers = (str(len({clip.speaker for clip in side})) for side in own)
        rows.append((CORPORA[corpus].title, *speakers, *(str(len(side)) for side in own)))
    return "\n".join(table(heads, rows))


def clips_table(clips: Sequence[Clip], speakers: Mapping[str, Speaker]) -> str:
    """Lay out in Markdown what is known of some clips."""
    heads = ("clip", "corpus", "acted", "speaker", "sex", "age", "played", "listeners heard")
    rows = []
    for clip in clips:
        one = speakers.get(clip.speaker, Speaker())
        votes = [f"{label} {share:.0%}" for label, share in (clip.votes or {}).items() if share]
        known = (one.sex, one.age, clip.intensity, ", ".join(votes) or None)
        told = ("not told" if value is None else str(value) for value in known)
        rows.append((clip.path.stem, clip.corpus, clip.label, clip.speaker, *told))
    return "\n".join(table(heads, rows))


def one_voice(clips: Sequence[Clip]) -> list[Clip]:
    """Choose a clip of each emotion by one speaker, the most strongly played ones.

    Of all speakers the one with the most emotions, the first where several have as many.
    """
    emotions: dict[str, dict[str, Clip]] = {}
    for clip in clips:
        own = emotions.setdefault(clip.speaker, {})
        before = own.get(clip.label)
        if before is None or (clip.intensity or 0.0) > (before.intensity or 0.0):
            own[clip.label] = clip
    most = max(emotions.values(), key=len)
    return [most[label] for label in LABELS if label in most]


def show_labels(clips: Sequence[Clip]) -> Figure:
    """Draw how many clips each corpus has of each emotion; what it lacks stays blank."""
    corpora = _by_corpus(clips)
    counts = np.array(
        [
            [sum(clips[i].label == label for i in places) for label in LABELS]
            for places in corpora.values()
        ]
    )
    figure, ((axes,),) = sheet(height_in=1.1 + 0.45 * len(corpora))
    shares = np.where(counts, counts / counts.sum(axis=1, keepdims=True), np.nan)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=0.4, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > 0.25 else INK
            axes.text(column, row, str(count), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(LABELS)), LABELS)
    axes.set_yticks(range(len(corpora)), [CORPORA[name].title for name in corpora])
    axes.set_title("Clips of each emotion", loc="left")
    return figure


def show_durations(clips: Sequence[Clip], durations: np.ndarray, window_s: float) -> Figure:
    """Draw how long clips are, a row for each corpus.

    Parameters
    ----------
    durations : numpy.ndarray, shape (clips,)
        Seconds.
    window_s : float
        What a network hears at a time, marked.
    """
    corpora = _by_corpus(clips)
    figure, axes = sheet(len(corpora), height_in=max(1.3, 2.6 / len(corpora)), sharex=True)
    bins = np.linspace(0, max(window_s, float(np.quantile(durations, 0.999))) + 0.2, 50)
    for one, (name, places) in zip(axes[:, 0], corpora.items(), strict=True):
        own = durations[places]
        one.hist(own, bins, color=ACCENT, alpha=0.8)
        one.axvline(window_s, color=SOFT, linestyle=":")
        one.set_title(
            f"{CORPORA[name].title}: median {np.median(own):.1f} s, "
            f"{np.mean(own > window_s):.0%} longer than a window",
            loc="left",
            fontsize=10,
        )
        one.set_ylabel("clips")
    axes[-1, 0].set_xlabel(f"length, s (dotted: a window of {window_s:g} s)")
    return figure


def show_speakers(clips: Sequence[Clip], speakers: Mapping[str, Speaker]) -> Figure:
    """Draw how many clips each speaker has, by sex, and how old they are where that is told."""
    corpora = _by_corpus(clips)
    figure, axes = sheet(len(corpora), 2, height_in=2.2, width_ratios=(2, 1))
    for (left, right), (name, places) in zip(axes, corpora.items(), strict=True):
        counts = Counter(clips[place].speaker for place in places).most_common()
        sexes = [_sex(speakers, speaker) for speaker, _count in counts]
        left.bar(range(len(counts)), [n for _s, n in counts], color=[SEXES[sex] for sex in sexes])
        _name_speakers(left, [speaker for speaker, _count in counts])
        told = [f"{sexes.count(sex)} {sex}" for sex in SEXES if sex in sexes]
        left.set_title(f"{CORPORA[name].title}: {', '.join(told)}", loc="left", fontsize=10)
        left.set_ylabel("clips")
        _draw_ages(right, [speaker for speaker, _count in counts], speakers)
    figure.legend(handles=_patches(SEXES), loc="outside lower right", fontsize=8, ncols=3)
    return figure


def _draw_ages(axes: Any, names: Sequence[str], speakers: Mapping[str, Speaker]) -> None:
    told = [name for name in names if name in speakers and speakers[name].age is not None]
    if not told:
        blank(axes, "ages are not told")
        return
    ages = [[speakers[name].age for name in told if _sex(speakers, name) == sex] for sex in SEXES]
    axes.hist(ages, np.arange(15, 86, 5), stacked=True, color=list(SEXES.values()))
    axes.set(xlabel="age, years", ylabel="speakers")
    axes.yaxis.get_major_locator().set_params(integer=True)


def show_sides(split: Split) -> Figure:
    """Draw every speaker of every corpus on the one side on which all of their clips stand."""
    sides = {name: getattr(split, name) for name in SIDES}
    corpora = dict.fromkeys(clip.corpus for side in sides.values() for clip in side)
    figure, axes = sheet(len(corpora), height_in=1.9)
    for one, corpus in zip(axes[:, 0], corpora, strict=True):
        counts = {
            side: Counter(clip.speaker for clip in clips if clip.corpus == corpus)
            for side, clips in sides.items()
        }
        names = [(side, name) for side, own in counts.items() for name in sorted(own)]
        heights = [counts[side][name] for side, name in names]
        one.bar(range(len(names)), heights, color=[SIDES[side] for side, _name in names])
        _name_speakers(one, [name for _side, name in names])
        told = ", ".join(f"{len(own)} {side}" for side, own in counts.items())
        one.set_title(f"{CORPORA[corpus].title}: {told}", loc="left", fontsize=10)
        one.set_ylabel("clips")
    figure.legend(handles=_patches(SIDES), loc="outside lower right", fontsize=8, ncols=3)
    return figure


def show_balance(split: Split) -> Figure:
    """Draw which share of each side's clips every emotion has."""
    figure, ((axes,),) = sheet(height_in=2.4)
    left = np.zeros(len(SIDES))
    for label in LABELS:
        shares = np.array(
            [
                np.mean([clip.label == label for clip in side]) if side else 0.0
                for side in (getattr(split, name) for name in SIDES)
            ]
        )
        if not shares.any():
            continue
        axes.barh(list(SIDES), shares, left=left, color=EMOTIONS[label])
        for place, share in enumerate(shares):
            if share > 0.07:
                text = f"{label}\n{share:.0%}"
                axes.text(left[place] + share / 2, place, text, **_CENTRED, color="white")
        left += shares
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of the side's clips")
    axes.xaxis.set_major_formatter("{x:.0%}")
    return figure


def show_recordings(cache: FeatureCache) -> Figure:
    """Draw what each corpus's recordings are like beside the voices: spectrum and level.

    Such differences come from microphones, rooms and codecs. A network can tell corpora by them,
    and an emotion by the corpus, where it gets to hear them.
    """
    figure, ((spectra, levels),) = sheet(1, 2, height_in=3.6, width_ratios=(3, 2))
    config = cache.config
    centres = np.linspace(0, 1, config.n_mels + 2)[1:-1]
    for number, (name, places) in enumerate(_by_corpus(cache.clips).items()):
        found = [_spectrum_and_level(cache, place) for place in places]
        spectrum = np.mean([one for one, _level in found], axis=0)
        colour, title = _CORPUS_COLOURS[number % len(_CORPUS_COLOURS)], CORPORA[name].title
        spectra.plot(centres, spectrum - spectrum.max(), color=colour, label=title)
        levels.hist(
            [level for _spectrum, level in found],
            np.arange(-70, 1, 2),
            density=True,
            histtype="step",
            linewidth=1.5,
            color=colour,
        )
    ticks_hz = [hz for hz in (100, 300, 1000, 2000, 4000) if config.fmin_hz < hz < config.fmax_hz]
    spectra.set_xticks(mel_places(ticks_hz, config), [str(hz) for hz in ticks_hz])
    spectra.set(xlabel="frequency, Hz", ylabel="dB under the loudest band")
    spectra.set_title("Mean spectrum of all clips", loc="left", fontsize=10)
    spectra.legend(fontsize=8)
    levels.set(xlabel="RMS of loud frames, dBFS", ylabel="density")
    levels.set_yticks([])
    levels.set_title("Level as recorded", loc="left", fontsize=10)
    return figure


def _spectrum_and_level(cache: FeatureCache, place: int) -> tuple[np.ndarray, float]:
    """Mean log-Mel of a clip's loud frames, dB, and their level, dBFS."""
    features = cache.features(place)
    loud = features.rms >= features.rms.max() * 10 ** (-_LOUD_DB / 20)
    level = 10 * np.log10(max(float(np.mean(features.rms[loud] ** 2)), 1e-10))
    return features.log_mel[:, loud].mean(axis=1), level


def _by_corpus(clips: Sequence[Clip]) -> dict[str, np.ndarray]:
    """Numbers of the clips of each corpus, in the order of appearance."""
    corpora = np.array([clip.corpus for clip in clips])
    return {name: np.flatnonzero(corpora == name) for name in dict.fromkeys(corpora.tolist())}


def _sex(speakers: Mapping[str, Speaker], name: str) -> str:
    return speakers.get(name, Speaker()).sex or "not told"


def _name_speakers(axes: Any, names: Sequence[str]) -> None:
    """Write speakers' own names under their bars, where there is room."""
    if len(names) > _MOST_NAMES:
        axes.set_xticks([])
        axes.set_xlabel(f"{len(names)} speakers")
        return
    short = [name.partition(":")[2] for name in names]
    slant = 0 if sum(map(len, short)) < 60 else 60
    axes.set_xticks(range(len(short)), short, rotation=slant, fontsize=8)


def _patches(colours: Mapping[str, str]) -> list[Patch]:
    return [Patch(color=colour, label=name) for name, colour in colours.items()]

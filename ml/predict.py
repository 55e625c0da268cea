"""From a recording of any length to an honest `Prediction`: gates, windows, scores, outcome."""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ml import quality, speech
from ml.audio import Waveform, decode, windows
from ml.bundle import DEFAULT_MODEL, Bundle, Scorer, Scores, read_bundle
from ml.config import DecodeLimits, SpeechConfig
from ml.encoding import ChunkEncoder
from ml.features import extract_samples, model_input, window_frames
from ml.gates import Evidence, first_reason, recording_warnings, uncertain, vote_differs
from ml.judge import judge_voice
from ml.labels import restrict
from ml.results import Notice, Prediction, Segment, Vote

Progress = Callable[[float], None]

_BATCH_WINDOWS = 8
"""The network's working memory grows by 2 MB with each; more of them are no faster."""
_LISTENING_SHARE = 0.4
"""Share of the time that finding the voice takes; the network has the rest."""


class Recognizer:
    """A loaded model that answers for recordings; safe to share between threads.

    Parameters
    ----------
    bundle : Bundle
    config : SpeechConfig, optional
    """

    def __init__(self, bundle: Bundle, config: SpeechConfig | None = None) -> None:
        self.bundle = bundle
        self.config = config or SpeechConfig()
        self._local = threading.local()

    def recognize(
        self,
        source: bytes | str | Path | Waveform,
        labels: tuple[str, ...] | None = None,
        progress: Progress | None = None,
        limits: DecodeLimits = DecodeLimits(),  # noqa: B008 frozen
    ) -> Prediction:
        """Answer for one recording.

        Parameters
        ----------
        source : bytes, str, Path or Waveform
            The file's content, where it lies, or what it was decoded to.
        labels : tuple of str, optional
            Choose among these only; all that the model knows unless given.
        progress : callable, optional
            Called with the share done, 0 to 1; what it raises ends the work.
        limits : DecodeLimits
            What decoding may cost.

        Raises
        ------
        AudioError
            If the recording cannot be decoded.
        UnknownLabelsError
            If fewer than two of `labels` are the model's.
        OSError
            If a path cannot be opened.
        ValueError
            If a `Waveform` has another sample rate than the model.
        """
        report = progress or (lambda share: None)
        wanted = labels or self.bundle.labels
        restrict(dict.fromkeys(self.bundle.labels, 1.0), wanted)
        report(0.0)
        waveform = source if isinstance(source, Waveform) else decode(source, limits)
        evidence = self._listen(waveform, lambda share: report(share * _LISTENING_SHARE))
        reason = first_reason(evidence)
        scores: dict[int, dict[str, float]] = {}
        strengths: dict[int, float] = {}
        if reason is None:
            for index, found, strength in self._scores(evidence, report):
                scores[index] = restrict(found, wanted)
                if strength is not None:
                    strengths[index] = strength
        report(1.0)
        return self._conclude(evidence, reason, scores, strengths)

    def score(self, samples: np.ndarray) -> dict[str, float]:
        """Score one window, whatever is in it: no gate is asked.

        Parameters
        ----------
        samples : numpy.ndarray, shape (n,), float32
            At most as long as the model's windows, mono, at its sample rate.

        Returns
        -------
        dict of str to float
            Calibrated probability of each of the model's labels.
        """
        found = self._scored(samples, [(0, len(samples))], self._encoder(samples))
        return dict(zip(self.bundle.labels, map(float, found.probabilities[0]), strict=True))

    def _listen(self, waveform: Waveform, progress: Progress) -> Evidence:
        """Find the voice, measure the recording and cut it into windows."""
        rate = self.bundle.features.sample_rate_hz
        if waveform.sample_rate_hz != rate:
            raise ValueError(
                f"the waveform has {waveform.sample_rate_hz} Hz, the model wants {rate} Hz: "
                "give the file's bytes or path, or resample it"
            )
        detected = speech.voice_probabilities(waveform.samples, self.config, progress)
        judged = judge_voice(waveform.samples, detected, self.config)
        voice = judged.voice
        spans = windows(len(waveform.samples), self.bundle.windows, rate)
        heard = np.concatenate([[0], np.cumsum(voice >= self.config.voice_probability)])
        edges = np.arange(len(heard)) * self.config.frame_length
        seconds = [
            float(np.diff(np.interp(span, edges, heard))[0]) * self.config.frame_length / rate
            for span in spans
        ]
        return Evidence(
            waveform=waveform,
            quality=quality.measure(waveform, voice, judged.snr_db, self.config),
            spans=tuple(spans),
            speech_s=tuple(seconds),
            min_duration_s=self.bundle.windows.min_duration_s,
            config=self.config,
            likeness=judged.likeness,
        )

    def _scores(
        self, evidence: Evidence, report: Progress
    ) -> Iterator[tuple[int, dict[str, float], float | None]]:
        """Yield (index, probabilities, intensity) of each window with speech, in batches."""
        samples = evidence.waveform.samples
        encoder = self._encoder(samples)
        for first in range(0, len(evidence.spans), _BATCH_WINDOWS):
            last = min(first + _BATCH_WINDOWS, len(evidence.spans))
            chosen = [index for index in range(first, last) if evidence.speaks[index]]
            if chosen:
                spans = [evidence.spans[index] for index in chosen]
                yield from self._named(chosen, self._scored(samples, spans, encoder))
            done = last / len(evidence.spans)
            report(_LISTENING_SHARE + (1 - _LISTENING_SHARE) * done)

    def _scored(
        self, samples: np.ndarray, spans: list[tuple[int, int]], encoder: ChunkEncoder | None
    ) -> Scores:
        inputs = [self._inputs(samples, spans)]
        if encoder:
            inputs.insert(0, np.stack([encoder.window(start) for start, _end in spans]))
        return self._scorer.score(*inputs)

    @property
    def _scorer(self) -> Scorer:
        """The network of this thread."""
        if not hasattr(self._local, "scorer"):
            self._local.scorer = Scorer(self.bundle)
        return self._local.scorer

    def _encoder(self, samples: np.ndarray) -> ChunkEncoder | None:
        config = self.bundle.encoder
        return ChunkEncoder(samples, self._scorer.network.encode, config) if config else None

    def _named(
        self, indices: list[int], scores: Scores
    ) -> Iterator[tuple[int, dict[str, float], float | None]]:
        for row, index in enumerate(indices):
            values = map(float, scores.probabilities[row])
            strength = None if scores.intensity is None else float(scores.intensity[row])
            yield index, dict(zip(self.bundle.labels, values, strict=True)), strength

    def _inputs(self, samples: np.ndarray, spans: list[tuple[int, int]]) -> np.ndarray:
        """Make the network's input of some windows, shape (windows, frames, n_features).

        Features are extracted from the stretch that the windows span and a margin, which gives
        the very frames that the whole recording would.
        """
        config, hop = self.bundle.features, self.bundle.features.hop_length
        frames, _hop = window_frames(config, self.bundle.windows)
        final = max(0, 1 + len(samples) // hop - frames)
        starts = [min(-(-start // hop), final) for start, _end in spans]
        margin = -(-config.frame_length // (2 * hop))
        origin = max(0, starts[0] - margin)
        stop = (starts[-1] + frames + margin) * hop
        features = extract_samples(samples[origin * hop : stop], config)
        return np.stack([model_input(features, start - origin, frames, config) for start in starts])

    def _conclude(
        self,
        evidence: Evidence,
        reason: Notice | None,
        scores: dict[int, dict[str, float]],
        strengths: dict[int, float],
    ) -> Prediction:
        """Put outcome, segments, vote and warnings together."""
        threshold = self.bundle.calibration.threshold
        probabilities: dict[str, float] = {}
        vote: Vote | None = None
        warnings: tuple[Notice, ...] = ()
        top = ""
        if scores:
            probabilities = pool(scores, evidence.speech_s)
            vote = majority(tuple(scores.values()))
            largest = max(probabilities, key=probabilities.__getitem__)
            top = vote.label if self.bundle.rule == "majority" else largest
            reason = uncertain(probabilities, top, threshold)
            warnings = (*recording_warnings(evidence), *vote_differs(vote, largest))
        return Prediction(
            outcome=reason.code if reason else "emotion",
            reason=reason,
            label=None if reason else top,
            confidence=None if reason else probabilities[top],
            probabilities=probabilities,
            quality=evidence.quality,
            vote=vote,
            segments=tuple(_segments(evidence, reason, scores, threshold)),
            model=self.bundle.info,
            warnings=warnings,
            intensity=_mean_intensity(strengths, evidence.speech_s),
        )


def load(name: str | None = None) -> Recognizer:
    """Load a trained model, once in a process.

    Parameters
    ----------
    name : str, optional
        A name among ``ml.bundle_names()``; `DEFAULT_MODEL` unless given.

    Raises
    ------
    UnknownModelError, CorruptBundleError
        If there is no such model, or its files do not fit together.
    """
    return _load(name or DEFAULT_MODEL)


@functools.cache
def _load(name: str) -> Recognizer:
    return Recognizer(read_bundle(name))


def recognize(
    source: bytes | str | Path | Waveform,
    model: str | None = None,
    labels: tuple[str, ...] | None = None,
) -> Prediction:
    """Answer for one recording; see `Recognizer.recognize`, of which this is the short form."""
    return load(model).recognize(source, labels)


def pool(scores: dict[int, dict[str, float]], speech_s: tuple[float, ...]) -> dict[str, float]:
    """Put the windows' probabilities together to the clip's, which sum to 1.

    The mean of their logarithms, weighted with the speech in each window: the rule by which the
    model's accuracy, temperature and threshold were measured, so that these hold here.

    Parameters
    ----------
    scores : dict of int to dict of str to float
        Probabilities of the windows of these numbers.
    speech_s : tuple of float
        Seconds of speech in every window.
    """
    labels = tuple(next(iter(scores.values())))
    rows = np.array([[row[label] for label in labels] for row in scores.values()])
    weights = np.array([speech_s[index] for index in scores])
    logarithms = np.average(np.log(np.maximum(rows, 1e-12)), axis=0, weights=weights)
    pooled = np.exp(logarithms - logarithms.max())
    return dict(zip(labels, map(float, pooled / pooled.sum()), strict=True))


def _mean_intensity(strengths: dict[int, float], speech_s: tuple[float, ...]) -> float | None:
    """Average over windows, weighted with the speech in each."""
    if not strengths:
        return None
    weights = [speech_s[index] for index in strengths]
    return float(np.average(list(strengths.values()), weights=weights))


def majority(scores: tuple[dict[str, float], ...]) -> Vote:
    """Let each window vote for its likeliest label; ties go to the higher summed probability."""
    votes = Counter(max(row, key=row.__getitem__) for row in scores)
    winner = max(votes, key=lambda label: (votes[label], sum(row[label] for row in scores)))
    shares = {label: count / len(scores) for label, count in votes.most_common()}
    return Vote(label=winner, dominance=shares[winner], distribution=shares)


def _segments(
    evidence: Evidence,
    reason: Notice | None,
    scores: dict[int, dict[str, float]],
    threshold: float,
) -> Iterator[Segment]:
    rate = evidence.waveform.sample_rate_hz
    for index, (start, end) in enumerate(evidence.spans):
        found = scores.get(index, {})
        label = max(found, key=found.__getitem__) if found else None
        if label is None:
            outcome = reason.code if reason and evidence.speaks[index] else "no_speech"
        else:
            outcome = "emotion" if found[label] >= threshold else "uncertain"
        given = label if outcome == "emotion" else None
        yield Segment(
            start_s=start / rate,
            end_s=end / rate,
            outcome=outcome,
            label=given,
            confidence=found[given] if given else None,
            probabilities=found,
        )

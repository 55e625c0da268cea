"""From a recording of any length to an honest `Prediction`: gates, windows, scores, outcome."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ml import quality, speech
from ml.audio import Waveform, decode, release, windows
from ml.bundle import DEFAULT_MODEL, Bundle, Scorer, Scores, read_bundle, read_network
from ml.config import DecodeLimits, SpeechConfig
from ml.encoding import ChunkEncoder, Samples
from ml.errors import AudioError, UnreadableFileError
from ml.features import extract_samples, model_input, window_frames
from ml.gates import Evidence, first_reason, recording_warnings, uncertain, vote_differs
from ml.judge import WINDOWS, judge_voice
from ml.labels import restrict
from ml.pooling import majority, mean_intensity, pool, segment_of, segments_of
from ml.processes import Counter, in_threads, on_all_cores
from ml.results import Notice, Prediction, Segment, Vote
from ml.streams import Listener, Recent, arriving_windows

Progress = Callable[[float], None]
Source: TypeAlias = bytes | str | Path | Waveform
"""A file's content, where it lies, or what it was decoded to."""

_BATCH_WINDOWS = 8
"""The network's working memory grows by 2 MB with each; more of them are no faster."""
_RUN_WINDOWS = 80
"""Windows that a thread takes at a time; a pretrained encoder hears one chunk more for each run."""
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
        self._idle: list[Scorer] = []

    def recognize(
        self,
        source: Source,
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
        wanted = self._wanted(labels)
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

    def recognize_many(
        self,
        sources: Iterable[Source],
        labels: tuple[str, ...] | None = None,
        limits: DecodeLimits = DecodeLimits(),  # noqa: B008 frozen
        threads: int = 1,
    ) -> Iterator[Prediction | AudioError]:
        """Answer for many recordings, in the order given.

        Sources are taken when they are needed, answers are given as soon as they are there, and
        none is kept: a generator of a million paths takes no more memory than one of ten.

        Parameters
        ----------
        sources : iterable of bytes, str, Path or Waveform
        labels, limits
            As for `recognize`.
        threads : int
            Recordings that are worked on side by side; ``undertone predict --jobs`` does so in
            processes.

        Yields
        ------
        Prediction or AudioError
            For a recording that cannot be read or decoded, its error stands in the answer's
            place, and the others go on; `UnreadableFileError` for a path that cannot be opened.

        Raises
        ------
        UnknownLabelsError
            At once, if fewer than two of `labels` are the model's.
        ValueError
            If a `Waveform` has another sample rate than the model.

        Examples
        --------
        >>> import ml
        >>> sources = ["samples/angry-man.flac", b"no sound", "samples/silence.flac"]
        >>> for found in ml.load().recognize_many(sources):
        ...     print(found.code if isinstance(found, ml.AudioError) else found.outcome)
        emotion
        unsupported_format
        no_speech
        """
        work = functools.partial(self._answer, labels=self._wanted(labels), limits=limits)
        return map(work, sources) if threads == 1 else in_threads(work, sources, threads)

    def stream(
        self,
        chunks: Iterable[np.ndarray],
        labels: tuple[str, ...] | None = None,
        lookahead_s: float = 0.0,
    ) -> Iterator[Segment]:
        """Answer for each window of a recording that goes on, as soon as it is complete.

        The windows are those of `recognize`, and so is what the network makes of one, but for what
        lies in the future. However the chunks are cut, the segments are the same. A window comes
        0.1 s after its end at the latest, and `lookahead_s` later; memory does not grow.

        These differ from what `recognize` says of the whole recording:

        - `probabilities`, of a model with a pretrained encoder: it hears chunks of 3 s whose level
          is set by the chunk that follows, too. With a `lookahead_s` of 4.6 or more, and at the
          recording's end, they are the same; for a model without an encoder they always are.
        - `outcome`, where a gate decides: the voice is looked for at the level of the last 30 s
          (`recognize`: of each 30 s), and heard again more slowly as long as none was found so
          far; whether there is a voice at all and how noisy it is is told from the five minutes
          before, not from the whole. With a `lookahead_s` of 1.5 or more, what resembles a voice
          is told from the windows on both sides, as in the whole.

        There is no answer for the recording as a whole; give it to `recognize` for one.

        Parameters
        ----------
        chunks : iterable of numpy.ndarray, shape (n,), float
            Mono samples from -1 to 1 at the model's sample rate, 16 kHz; of any length. Each is
            taken when all segments before it were given.
        labels : tuple of str, optional
            As for `recognize`.
        lookahead_s : float
            Seconds after a window that are waited for.

        Yields
        ------
        Segment
            In the order of time.

        Raises
        ------
        UnknownLabelsError
            At once, if fewer than two of `labels` are the model's.
        ValueError
            If `lookahead_s` is less than 0, or a chunk is none of mono samples.

        Examples
        --------
        >>> import ml
        >>> samples = ml.decode("samples/story.mp3").samples[: 8 * 16_000]
        >>> tenths = (samples[start : start + 1600] for start in range(0, len(samples), 1600))
        >>> for segment in ml.load().stream(tenths):
        ...     print(segment.start_s, segment.end_s, len(segment.probabilities))
        0.0 3.0 8
        1.5 4.5 8
        3.0 6.0 8
        4.5 7.5 8
        5.0 8.0 8
        """
        if lookahead_s < 0:
            raise ValueError(f"lookahead_s is {lookahead_s}; wanted are seconds, at least 0")
        return self._stream(chunks, self._wanted(labels), lookahead_s)

    def _stream(
        self, chunks: Iterable[np.ndarray], wanted: tuple[str, ...], lookahead_s: float
    ) -> Iterator[Segment]:
        samples, rate = Recent(), self.bundle.features.sample_rate_hz
        listener = Listener(samples, self.config)
        encoder = self._encoder(samples)
        wait, back = self._reach(lookahead_s)
        for start, end in arriving_windows(chunks, samples, self.bundle.windows, wait, back):
            if samples.ended and start == 0:
                yield from self.recognize(Waveform(samples[:], rate), wanted).segments
                return
            listener.listen()
            closed = listener.closed(start, end)
            found: dict[str, float] = {}
            if closed is None:
                scores = self._scored(samples, [(start, end)], encoder)
                ((_index, named, _strength),) = self._named([0], scores)
                found = restrict(named, wanted)
            threshold = self.bundle.calibration.threshold
            yield segment_of((start, end), rate, found, closed or "uncertain", threshold)
            if encoder:
                encoder.forget_unfinished()

    def _reach(self, lookahead_s: float) -> tuple[int, int]:
        """Say how many samples are waited for after a window, and how many are kept before it."""
        features, rate = self.bundle.features, self.bundle.features.sample_rate_hz
        # Frames at a window's edges reach beyond it; the detector's end with one of its own.
        edge = max(features.frame_length + features.hop_length, self.config.frame_length)
        judged = 0 if self.bundle.windows == WINDOWS else round(WINDOWS.window_s * rate)
        config = self.bundle.encoder
        chunks = 2 * config.chunk_steps * config.step_length + rate if config else 0
        return edge + judged + round(lookahead_s * rate), edge + judged + chunks

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

    def _wanted(self, labels: tuple[str, ...] | None) -> tuple[str, ...]:
        """Return the labels to choose among, if the model knows at least two of them."""
        wanted = labels or self.bundle.labels
        restrict(dict.fromkeys(self.bundle.labels, 1.0), wanted)
        return wanted

    def _answer(
        self, source: Source, labels: tuple[str, ...], limits: DecodeLimits
    ) -> Prediction | AudioError:
        try:
            return self.recognize(source, labels, limits=limits)
        except AudioError as error:
            return error
        except OSError as error:
            if not isinstance(source, str | Path):
                raise
            return UnreadableFileError(path=str(source), detail=error.strerror or str(error))

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
        return Evidence(
            waveform=waveform,
            quality=quality.measure(waveform, voice, judged.snr_db, self.config),
            spans=tuple(spans),
            speech_s=tuple(speech.seconds_within(voice, spans, self.config)),
            min_duration_s=self.bundle.windows.min_duration_s,
            config=self.config,
            likeness=judged.likeness,
        )

    def _scores(
        self, evidence: Evidence, report: Progress
    ) -> Iterator[tuple[int, dict[str, float], float | None]]:
        """Yield (index, probabilities, intensity) of each window with speech, in batches."""
        count, speaks = len(evidence.spans), evidence.speaks
        counter = Counter(
            count, lambda share: report(_LISTENING_SHARE + (1 - _LISTENING_SHARE) * share)
        )

        def score(run: range) -> list[tuple[int, dict[str, float], float | None]]:
            samples = evidence.waveform.samples
            found: list[tuple[int, dict[str, float], float | None]] = []
            encoder = self._encoder(samples)
            for first in run[::_BATCH_WINDOWS]:
                batch = range(first, min(first + _BATCH_WINDOWS, run.stop))
                chosen = [index for index in batch if speaks[index]]
                if chosen:
                    spans = [evidence.spans[index] for index in chosen]
                    found += self._named(chosen, self._scored(samples, spans, encoder))
                counter.add(len(batch))
            release(samples)
            return found

        runs = [
            range(first, min(first + _RUN_WINDOWS, count))
            for first in range(0, count, _RUN_WINDOWS)
        ]
        yield from itertools.chain.from_iterable(on_all_cores(score, runs))

    def _scored(
        self, samples: Samples, spans: list[tuple[int, int]], encoder: ChunkEncoder | None
    ) -> Scores:
        inputs = [self._inputs(samples, spans)]
        if encoder:
            inputs.insert(0, np.stack([encoder.window(start) for start, _end in spans]))
        with self._network() as scorer:
            return scorer.score(*inputs)

    @contextlib.contextmanager
    def _network(self) -> Iterator[Scorer]:
        """Lend a network for one thing: there are as many as are at work at once, not one a thread.

        A server has many threads, and each network 10 to 40 MB.
        """
        try:
            scorer = self._idle.pop()
        except IndexError:
            scorer = Scorer(self.bundle, content=self._content)
        try:
            yield scorer
        finally:
            self._idle.append(scorer)

    @functools.cached_property
    def _content(self) -> bytes:
        return read_network(self.bundle)

    def prepare(self) -> Recognizer:
        """Read the network's file, so that processes which are forked later share it.

        Raises
        ------
        CorruptBundleError
            If a file is missing, or is not the one that ``bundle.json`` describes.
        """
        self._content  # noqa: B018 kept from now on
        return self

    def _encode(self, chunk: np.ndarray) -> np.ndarray:
        with self._network() as scorer:
            return scorer.network.encode(chunk)

    def _encoder(self, samples: Samples) -> ChunkEncoder | None:
        config = self.bundle.encoder
        return ChunkEncoder(samples, self._encode, config) if config else None

    def _named(
        self, indices: list[int], scores: Scores
    ) -> Iterator[tuple[int, dict[str, float], float | None]]:
        for row, index in enumerate(indices):
            values = map(float, scores.probabilities[row])
            strength = None if scores.intensity is None else float(scores.intensity[row])
            yield index, dict(zip(self.bundle.labels, values, strict=True)), strength

    def _inputs(self, samples: Samples, spans: list[tuple[int, int]]) -> np.ndarray:
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
            segments=tuple(segments_of(evidence, reason, scores, threshold)),
            model=self.bundle.info,
            warnings=warnings,
            intensity=mean_intensity(strengths, evidence.speech_s),
        )


def load(name: str | Path | None = None) -> Recognizer:
    """Load a trained model, once in a process.

    Parameters
    ----------
    name : str or Path, optional
        A name among ``ml.bundle_names()``, or as a Path the folder of a bundle that ``train`` or
        ``export`` has written; `DEFAULT_MODEL` unless given.

    Raises
    ------
    UnknownModelError, CorruptBundleError
        If there is no such model, or its files do not fit together.

    Examples
    --------
    >>> import ml
    >>> recognizer = ml.load("cnn-gru")
    >>> recognizer.recognize("samples/happy-man.flac").model.name
    'cnn-gru'
    >>> recognizer is ml.load("cnn-gru")
    True
    """
    return _load(name or DEFAULT_MODEL)


@functools.cache
def _load(name: str | Path) -> Recognizer:
    return Recognizer(read_bundle(name)).prepare()


def recognize(
    source: Source,
    model: str | Path | None = None,
    labels: tuple[str, ...] | None = None,
) -> Prediction:
    """Answer for one recording; see `Recognizer.recognize`, of which this is the short form.

    Examples
    --------
    >>> import ml
    >>> found = ml.recognize("samples/angry-man.flac")
    >>> found.outcome, found.label
    ('emotion', 'angry')
    >>> ml.recognize("samples/silence.flac").reason.code
    'no_speech'
    """
    return load(model).recognize(source, labels)

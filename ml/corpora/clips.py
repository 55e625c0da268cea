"""What a corpus is made of: clips, speakers, and the row that describes the corpus."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg")

Side: TypeAlias = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Dimensions:
    """How annotators rated an utterance, the mean of theirs, each from 1 to 5.

    Attributes
    ----------
    valence : float
        1 is negative, 5 positive.
    activation : float
        1 is calm, 5 excited.
    dominance : float
        1 is weak, 5 strong.
    """

    valence: float
    activation: float
    dominance: float


@dataclass(frozen=True)
class Clip:
    """One recorded utterance: file, the acted emotion, and who speaks (unique over corpora).

    Attributes
    ----------
    speaker : str
        The corpus's name, a colon, and the speaker's name there.
    intensity : float or None
        How strongly it was played, 0 (calm) to 1 (strong), where the corpus says.
    votes : mapping of str to float, or None
        Shares of the listeners who heard each emotion, sum 1, by sound alone. `label` stays the
        acted one, also where most listeners heard another.
    dimensions : Dimensions or None
        Where the corpus was rated so.
    side : str or None
        Where the clip goes when speakers are split; None leaves that to the corpus's row.
    """

    path: Path
    label: str
    speaker: str
    corpus: str
    intensity: float | None = None
    votes: Mapping[str, float] | None = field(default=None, hash=False)
    dimensions: Dimensions | None = None
    side: Side | None = None


@dataclass(frozen=True)
class Speaker:
    """What a corpus says about a speaker; None where it does not.

    Attributes
    ----------
    sex : str or None
        ``"female"`` or ``"male"``.
    age : int or None
        In years, when the recordings were made.
    race, ethnicity : str or None
        In the corpus's own words.
    """

    sex: str | None = None
    age: int | None = None
    race: str | None = None
    ethnicity: str | None = None


@dataclass(frozen=True)
class Corpus:
    """One row of `CORPORA`.

    Attributes
    ----------
    labels : tuple of str
        The emotions that it has; a network learns nothing about others from its clips.
    layout : str
        Where the audio lies, for people.
    read : callable
        Yields a folder's clips; those without a label of `ml.labels` are left out.
    read_speakers : callable
        Says who speaks in a folder, by the names that the clips give.
    validation_speakers, test_speakers : frozenset of str
        Fixed; everybody else trains.
    dropped : frozenset of str
        File stems to leave out: damaged, doubled, or one sound under two labels.
    options : mapping of str to tuple of str
        What `read` takes by keyword, and the values that each may have; nothing is chosen unless
        it is given.
    """

    name: str
    title: str
    citation: str
    licence: str
    url: str
    language: str
    labels: tuple[str, ...]
    layout: str
    read: Callable[..., Iterator[Clip]]
    read_speakers: Callable[[Path], dict[str, Speaker]]
    validation_speakers: frozenset[str]
    test_speakers: frozenset[str]
    dropped: frozenset[str] = frozenset()
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)


def audio_files(folder: Path, pattern: str = "*") -> Iterator[Path]:
    """List a folder's recordings in order, without the hidden ones that macOS leaves."""
    return (
        path
        for path in sorted(folder.glob(pattern))
        if path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")
    )


def match_names(root: Path, pattern: str) -> Iterator[tuple[Path, re.Match[str]]]:
    """Match ``folder/stem`` of every recording below a folder, however deep it was unpacked.

    Archives of one corpus are nested differently, and some hold it twice: what matches with the
    same groups is given once.

    Raises
    ------
    ValueError
        If a recording's name does not match.
    """
    seen = set()
    for path in audio_files(root, "**/*"):
        match = re.fullmatch(pattern, f"{path.parent.name}/{path.stem}")
        if match is None:
            raise ValueError(f"the name of '{path.relative_to(root)}' is not understood")
        if match.groups() not in seen:
            seen.add(match.groups())
            yield path, match

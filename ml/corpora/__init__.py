"""Adapters for corpora in their official layouts: clips, labels, speakers, splits, licences.

One file for each corpus; `CORPORA` lists them.
"""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml.corpora import cremad, emodb, emovo, iemocap, nemo, own, ravdess, savee, tess
from ml.corpora.checksums import checksum
from ml.corpora.clips import AUDIO_SUFFIXES, Clip, Corpus, Dimensions, Side, Speaker
from ml.errors import (
    CorpusLayoutError,
    CorpusOptionError,
    CorpusTableError,
    UnknownCorpusError,
)

__all__ = [
    "AUDIO_SUFFIXES",
    "CORPORA",
    "Clip",
    "Corpus",
    "Dimensions",
    "Side",
    "Speaker",
    "checksum",
    "describe_options",
    "get_corpus",
    "read_clips",
    "read_speakers",
]

CORPORA = {
    module.CORPUS.name: module.CORPUS
    for module in (cremad, ravdess, emodb, nemo, iemocap, tess, savee, emovo, own)
}
"""Rows by name. A CSV file that `read_clips` has read gets a row of its own besides, with the
labels that it has."""


def get_corpus(name: str) -> Corpus:
    """Look a corpus up by name.

    Raises
    ------
    UnknownCorpusError
        If there is no adapter of that name.
    """
    if name not in CORPORA:
        raise UnknownCorpusError(name=name, available=", ".join(CORPORA))
    return CORPORA[name]


def read_clips(name: str, root: str | Path) -> list[Clip]:
    """List a corpus's usable clips.

    Parameters
    ----------
    name : str
        A key of `CORPORA`, with options after a colon where the corpus has some:
        ``"iemocap:excited=happy,test=Session3"``.
    root : str or Path
        The corpus's folder in its official layout; ``.wav``, ``.flac`` and ``.ogg`` are read.
        For ``csv``, the table.

    Returns
    -------
    list of Clip
        Sorted as the folder is; speakers are prefixed with the corpus's name.

    Raises
    ------
    UnknownCorpusError, CorpusOptionError
        If there is no such adapter, or it has no such option.
    CorpusLayoutError, CorpusTableError
        If the folder does not hold that corpus, or the table has a mistake.
    """
    corpus, options = _parse_name(name)
    with _as_layout_error(corpus, root):
        if corpus is own.CORPUS:
            _note(own.read_row(Path(root)))
        clips = [
            clip
            for clip in corpus.read(Path(root), **options)
            if clip.path.stem not in corpus.dropped
        ]
    if not clips:
        raise CorpusLayoutError(
            path=str(root),
            corpus=corpus.title,
            detail="no clip was found",
            expected=corpus.layout,
        )
    return clips


def read_speakers(name: str, root: str | Path) -> dict[str, Speaker]:
    """Say what a corpus tells of its speakers, by `Clip.speaker`.

    Speakers whose clips are not in the folder may be among them; where the table that tells is
    missing (CREMA-D's ``VideoDemographics.csv``) the answer is empty.

    Raises
    ------
    UnknownCorpusError, CorpusOptionError, CorpusLayoutError, CorpusTableError
        If there is no such adapter or option, or its table of speakers cannot be read.
    """
    corpus, _options = _parse_name(name)
    with _as_layout_error(corpus, root):
        return corpus.read_speakers(Path(root))


def _parse_name(text: str) -> tuple[Corpus, dict[str, str]]:
    """Split ``NAME:OPTION=VALUE,OPTION=VALUE`` into the corpus and its options."""
    name, _, rest = text.partition(":")
    corpus = get_corpus(name)
    options = {}
    for part in filter(None, rest.split(",")):
        option, _, value = part.partition("=")
        if value not in corpus.options.get(option, ()):
            raise CorpusOptionError(
                corpus=corpus.title,
                option=part,
                available=", ".join(describe_options(corpus)) or "nothing",
            )
        options[option] = value
    return corpus, options


def describe_options(corpus: Corpus) -> list[str]:
    """Write out what may stand after the colon of a corpus's name, such as ``excited=happy``."""
    return [f"{option}={'|'.join(values)}" for option, values in corpus.options.items()]


def _note(row: Corpus) -> None:
    """Let a table's row be found by the name that its clips bear."""
    if CORPORA.setdefault(row.name, row) != row:
        raise CorpusTableError(
            path=row.title, line=1, detail="another table of this name was read before"
        )


@contextmanager
def _as_layout_error(corpus: Corpus, root: str | Path) -> Iterator[None]:
    """Say which corpus was looked for where a name or a table in it cannot be read."""
    try:
        yield
    except (OSError, ValueError, IndexError, KeyError, csv.Error) as error:
        raise CorpusLayoutError(
            path=str(root), corpus=corpus.title, detail=str(error), expected=corpus.layout
        ) from error

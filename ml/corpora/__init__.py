"""Adapters for corpora in their official layouts: clips, labels, speakers, splits, licences.

One file for each corpus; `CORPORA` lists them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml.corpora import cremad, emodb, iemocap, nemo, ravdess
from ml.corpora.clips import AUDIO_SUFFIXES, Clip, Corpus, Speaker
from ml.errors import CorpusLayoutError, UnknownCorpusError

__all__ = [
    "AUDIO_SUFFIXES",
    "CORPORA",
    "Clip",
    "Corpus",
    "Speaker",
    "get_corpus",
    "read_clips",
    "read_speakers",
]

CORPORA = {module.CORPUS.name: module.CORPUS for module in (cremad, ravdess, emodb, nemo, iemocap)}


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
        A key of `CORPORA`.
    root : str or Path
        The corpus's folder in its official layout; ``.wav``, ``.flac`` and ``.ogg`` are read.

    Returns
    -------
    list of Clip
        Sorted as the folder is; speakers are prefixed with the corpus's name.

    Raises
    ------
    UnknownCorpusError, CorpusLayoutError
        If there is no such adapter, or the folder does not hold that corpus.
    """
    corpus = get_corpus(name)
    with _as_layout_error(corpus, root):
        clips = [clip for clip in corpus.read(Path(root)) if clip.path.stem not in corpus.dropped]
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
    UnknownCorpusError, CorpusLayoutError
        If there is no such adapter, or its table of speakers cannot be read.
    """
    corpus = get_corpus(name)
    with _as_layout_error(corpus, root):
        return corpus.read_speakers(Path(root))


@contextmanager
def _as_layout_error(corpus: Corpus, root: str | Path) -> Iterator[None]:
    """Say which corpus was looked for where a name or a table in it cannot be read."""
    try:
        yield
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise CorpusLayoutError(
            path=str(root), corpus=corpus.title, detail=str(error), expected=corpus.layout
        ) from error

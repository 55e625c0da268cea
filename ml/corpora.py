"""Adapters for corpora in their official layouts: clips, labels, speakers, splits, licences."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ml.errors import CorpusLayoutError, UnknownCorpusError

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg")


@dataclass(frozen=True)
class Clip:
    """One recorded utterance: file, the acted emotion, and who speaks (unique over corpora)."""

    path: Path
    label: str
    speaker: str
    corpus: str


@dataclass(frozen=True)
class Corpus:
    """One row of `CORPORA`.

    Attributes
    ----------
    labels : tuple of str
        The emotions that it has; a network learns nothing about others from its clips.
    read : callable
        Yields (path, label or None, speaker) for the files in a folder; None is left out.
    layout : str
        Where the audio lies, for people.
    validation_speakers, test_speakers : frozenset of str
        Fixed; everybody else trains.
    dropped : frozenset of str
        File stems to leave out: damaged, doubled, or one sound under two labels.
    """

    name: str
    title: str
    citation: str
    licence: str
    url: str
    language: str
    labels: tuple[str, ...]
    layout: str
    read: Callable[[Path], Iterator[tuple[Path, str | None, str]]]
    validation_speakers: frozenset[str]
    test_speakers: frozenset[str]
    dropped: frozenset[str] = frozenset()


def _audio_files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.glob("*")) if path.suffix.lower() in AUDIO_SUFFIXES)


CREMAD_CODES = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fearful",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}


def _read_cremad(root: Path) -> Iterator[tuple[Path, str | None, str]]:
    for path in _audio_files(root / "AudioWAV"):
        speaker, _sentence, code, _level = path.stem.split("_")
        yield path, CREMAD_CODES.get(code), speaker


RAVDESS_CODES = dict(
    zip(
        ("01", "02", "03", "04", "05", "06", "07", "08"),
        ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
        strict=True,
    )
)


def _read_ravdess(root: Path) -> Iterator[tuple[Path, str | None, str]]:
    for folder in sorted(root.glob("Actor_*")):
        for path in _audio_files(folder):
            modality, channel, code, *_rest, actor = path.stem.split("-")
            speech_audio = (modality, channel) == ("03", "01")
            yield path, RAVDESS_CODES.get(code) if speech_audio else None, actor


EMODB_CODES = {
    "W": "angry",
    "E": "disgust",
    "A": "fearful",
    "F": "happy",
    "T": "sad",
    "N": "neutral",
}
"""German initials (Wut, Ekel, Angst, Freude, Trauer); L, boredom, has no place in the labels."""


def _read_emodb(root: Path) -> Iterator[tuple[Path, str | None, str]]:
    for path in _audio_files(root / "wav"):
        yield path, EMODB_CODES.get(path.stem[5]), path.stem[:2]


NEMO_CODES = {
    "anger": "angry",
    "fear": "fearful",
    "happiness": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "surprised": "surprised",
}


def _read_nemo(root: Path) -> Iterator[tuple[Path, str | None, str]]:
    files = {path.stem: path for path in _audio_files(root / "samples")}
    with (root / "data.tsv").open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE):
            path = files.get(Path(row["file_id"].strip()).stem)
            if path is not None:
                yield path, NEMO_CODES.get(row["emotion"].strip()), row["speaker_id"].strip()


IEMOCAP_CODES = {
    "neu": "neutral",
    "hap": "happy",
    "sad": "sad",
    "ang": "angry",
    "fea": "fearful",
    "dis": "disgust",
    "sur": "surprised",
}
"""The annotators' majority; excited, frustrated, other and undecided (xxx) are left out."""


def _read_iemocap(root: Path) -> Iterator[tuple[Path, str | None, str]]:
    for session in sorted(root.glob("Session*")):
        wav = session / "sentences" / "wav"
        files = {path.stem: path for folder in wav.glob("*") for path in _audio_files(folder)}
        for table in sorted((session / "dialog" / "EmoEvaluation").glob("*.txt")):
            for line in table.read_text(encoding="utf-8").splitlines():
                # [6.2901 - 8.2357]<TAB>Ses01F_impro01_F000<TAB>neu<TAB>[2.5, 2.5, 2.5]
                fields = line.split("\t")
                if line.startswith("[") and len(fields) == 4 and fields[1] in files:
                    name = fields[1]
                    yield files[name], IEMOCAP_CODES.get(fields[2]), name[:5] + name[-4]


CORPORA = {
    corpus.name: corpus
    for corpus in (
        Corpus(
            name="cremad",
            title="CREMA-D",
            citation="Cao, H., Cooper, D. G., Keutmann, M. K., Gur, R. C., Nenkova, A. and "
            "Verma, R. (2014). CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset. "
            "IEEE Transactions on Affective Computing 5(4), 377-390.",
            licence="ODbL 1.0",
            url="https://github.com/CheyneyComputerScience/CREMA-D",
            language="English",
            labels=("neutral", "happy", "sad", "angry", "fearful", "disgust"),
            layout="AudioWAV/1001_DFA_ANG_XX.wav",
            read=_read_cremad,
            validation_speakers=frozenset(
                ["1003", "1012", "1031", "1036", "1043", "1062", "1072", "1090"]
            ),
            test_speakers=frozenset(
                [
                    "1006",
                    "1009",
                    "1015",
                    "1022",
                    "1030",
                    "1034",
                    "1047",
                    "1054",
                    "1066",
                    "1075",
                    "1081",
                    "1086",
                ]
            ),
            # Near-silent; and pairs of files that are one sound under two labels.
            dropped=frozenset(
                [
                    "1076_MTI_SAD_XX",
                    "1006_TIE_HAP_XX",
                    "1006_TIE_NEU_XX",
                    "1013_WSI_DIS_XX",
                    "1013_WSI_SAD_XX",
                    "1017_IWW_ANG_XX",
                    "1017_IWW_FEA_XX",
                ]
            ),
        ),
        Corpus(
            name="ravdess",
            title="RAVDESS",
            citation="Livingstone, S. R. and Russo, F. A. (2018). The Ryerson Audio-Visual "
            "Database of Emotional Speech and Song (RAVDESS). PLoS ONE 13(5), e0196391.",
            licence="CC BY-NC-SA 4.0",
            url="https://zenodo.org/records/1188976",
            language="English",
            labels=(
                "neutral",
                "calm",
                "happy",
                "sad",
                "angry",
                "fearful",
                "disgust",
                "surprised",
            ),
            layout="Actor_01/03-01-05-01-02-01-01.wav",
            read=_read_ravdess,
            validation_speakers=frozenset(["05", "16", "24"]),
            test_speakers=frozenset(["03", "08", "13", "18"]),
            # The same sound as 03-01-03-01-02-01-07.
            dropped=frozenset({"03-01-03-01-02-02-07"}),
        ),
        Corpus(
            name="emodb",
            title="EmoDB",
            citation="Burkhardt, F., Paeschke, A., Rolfes, M., Sendlmeier, W. and Weiss, B. "
            "(2005). A Database of German Emotional Speech. Proc. Interspeech, 1517-1520.",
            licence="CC BY 4.0",
            url="http://emodb.bilderbar.info",
            language="German",
            labels=("neutral", "happy", "sad", "angry", "fearful", "disgust"),
            layout="wav/03a01Fa.wav",
            read=_read_emodb,
            validation_speakers=frozenset(["09", "15"]),
            test_speakers=frozenset(["08", "11"]),
        ),
        Corpus(
            name="nemo",
            title="nEMO",
            citation="Christop, I. (2024). nEMO: Dataset of Emotional Speech in Polish. "
            "Proc. LREC-COLING, 12111-12116.",
            licence="CC BY-NC-SA 4.0",
            url="https://huggingface.co/datasets/amu-cai/nEMO",
            language="Polish",
            labels=("neutral", "happy", "sad", "angry", "fearful", "surprised"),
            layout="samples/WR0_surprised_64.wav and data.tsv",
            read=_read_nemo,
            validation_speakers=frozenset(["MK0", "MP0"]),
            test_speakers=frozenset(["IC0", "WR0"]),
        ),
        Corpus(
            name="iemocap",
            title="IEMOCAP",
            citation="Busso, C., Bulut, M., Lee, C.-C., Kazemzadeh, A., Mower, E., Kim, S., "
            "Chang, J. N., Lee, S. and Narayanan, S. S. (2008). IEMOCAP: Interactive emotional "
            "dyadic motion capture database. Language Resources and Evaluation 42(4), 335-359.",
            licence="on request, for research",
            url="https://sail.usc.edu/iemocap/",
            language="English",
            labels=("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
            layout="Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav",
            read=_read_iemocap,
            validation_speakers=frozenset(["Ses04F", "Ses04M"]),
            test_speakers=frozenset(["Ses05F", "Ses05M"]),
        ),
    )
}


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
    try:
        clips = [
            Clip(path, label, f"{name}:{speaker}", name)
            for path, label, speaker in corpus.read(Path(root))
            if label is not None and path.stem not in corpus.dropped
        ]
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise CorpusLayoutError(
            path=str(root), corpus=corpus.title, detail=str(error), expected=corpus.layout
        ) from error
    if not clips:
        raise CorpusLayoutError(
            path=str(root),
            corpus=corpus.title,
            detail="no clip was found",
            expected=corpus.layout,
        )
    return clips

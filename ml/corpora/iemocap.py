"""IEMOCAP: ten actors in five sessions of two, scripted and improvised."""

from collections.abc import Iterator
from pathlib import Path

from ml.corpora.clips import Clip, Corpus, Speaker, audio_files

_CODES = {
    "neu": "neutral",
    "hap": "happy",
    "sad": "sad",
    "ang": "angry",
    "fea": "fearful",
    "dis": "disgust",
    "sur": "surprised",
}
"""The annotators' majority; excited, frustrated, other and undecided (xxx) are left out."""


def _read(root: Path) -> Iterator[Clip]:
    for session in sorted(root.glob("Session*")):
        wav = session / "sentences" / "wav"
        files = {path.stem: path for folder in wav.glob("*") for path in audio_files(folder)}
        for table in sorted((session / "dialog" / "EmoEvaluation").glob("Ses*.txt")):
            for line in table.read_text(encoding="utf-8").splitlines():
                # [6.2901 - 8.2357]<TAB>Ses01F_impro01_F000<TAB>neu<TAB>[2.5, 2.5, 2.5]
                fields = line.split("\t")
                if line.startswith("[") and len(fields) == 4 and fields[1] in files:
                    name, label = fields[1], _CODES.get(fields[2])
                    if label is not None:
                        speaker = f"iemocap:{name[:5]}{name[-4]}"
                        yield Clip(files[name], label, speaker, "iemocap")


def _read_speakers(_root: Path) -> dict[str, Speaker]:
    return {
        f"iemocap:Ses{session:02}{letter}": Speaker(sex=sex)
        for session in range(1, 6)
        for letter, sex in (("F", "female"), ("M", "male"))
    }


CORPUS = Corpus(
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
    read=_read,
    read_speakers=_read_speakers,
    validation_speakers=frozenset(["Ses04F", "Ses04M"]),
    test_speakers=frozenset(["Ses05F", "Ses05M"]),
)

"""nEMO: nine actors, Polish; labels and speakers stand in its table."""

import csv
from collections.abc import Iterator
from pathlib import Path

from ml.corpora.clips import Clip, Corpus, Speaker, audio_files

_CODES = {
    "anger": "angry",
    "fear": "fearful",
    "happiness": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "surprised": "surprised",
}


def _rows(root: Path) -> Iterator[dict[str, str]]:
    """Read ``data.tsv``, whose cells are padded with blanks."""
    with (root / "data.tsv").open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield {column: cell.strip() for column, cell in row.items()}


def _read(root: Path) -> Iterator[Clip]:
    files = {path.stem: path for path in audio_files(root / "samples")}
    for row in _rows(root):
        path = files.get(Path(row["file_id"]).stem)
        label = _CODES.get(row["emotion"])
        if path is not None and label is not None:
            yield Clip(path, label, f"nemo:{row['speaker_id']}", "nemo")


def _read_speakers(root: Path) -> dict[str, Speaker]:
    return {
        f"nemo:{row['speaker_id']}": Speaker(sex=row["gender"], age=int(row["age"]))
        for row in _rows(root)
    }


CORPUS = Corpus(
    name="nemo",
    title="nEMO",
    citation="Christop, I. (2024). nEMO: Dataset of Emotional Speech in Polish. "
    "Proc. LREC-COLING, 12111-12116.",
    licence="CC BY-NC-SA 4.0",
    url="https://huggingface.co/datasets/amu-cai/nEMO",
    language="Polish",
    labels=("neutral", "happy", "sad", "angry", "fearful", "surprised"),
    layout="samples/WR0_surprised_64.wav and data.tsv",
    read=_read,
    read_speakers=_read_speakers,
    validation_speakers=frozenset(["MK0", "MP0"]),
    test_speakers=frozenset(["IC0", "WR0"]),
)

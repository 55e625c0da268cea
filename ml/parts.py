"""What a worker does: the recordings of one part, with a model that it loads once."""

from __future__ import annotations

from typing import NamedTuple

from ml import archive
from ml.archive import Part, Run, State
from ml.config import DecodeLimits
from ml.errors import (
    AnalysisFailedError,
    ArchiveError,
    AudioError,
    ClusterError,
    SerError,
    TooLargeError,
    UnreadableFileError,
)
from ml.folders import Folder, Listed, fetched, open_folder
from ml.predict import Recognizer, load
from ml.results import Prediction
from ml.rows import Row, shown


class Done(NamedTuple):
    """A part that is done.

    Attributes
    ----------
    states : list of State
        What became of each of its files.
    analysed : int
        How many of them were not done before.
    """

    states: list[State]
    analysed: int


def lacking(part: Part, rows: dict[str, list[Row]], retry: bool) -> list[Listed]:
    """Choose the files of a part that it has no rows for, or only that of a failure."""
    found = [rows.get(shown(file.name)) for file in part.files]
    return [
        file
        for file, known in zip(part.files, found, strict=True)
        if not known or (retry and known[0]["error_code"])
    ]


def analyse_part(run: Run, part: Part, retry: bool) -> Done:
    """Analyse what a part lacks and write it; runs on a worker.

    Raises
    ------
    ArchiveError, ModelError
        If this worker cannot do the work, whatever the recording.
    """
    output = open_folder(run.output)
    rows = archive.read_part(output, run, part)
    missing = lacking(part, rows, retry)
    for file in missing:
        rows[shown(file.name)] = analyse_file(run, file)
    if missing:
        archive.write_part(output, run, part, rows)
    return Done(archive.states(run, part, rows), len(missing))


def analyse_file(run: Run, file: Listed) -> list[Row]:
    """Analyse one recording on a worker; returns its rows, or the one that says why not."""
    source, recognizer = open_folder(run.source), _recognizer(run)
    try:
        return run.table.answered(file, _prediction(source, file, recognizer, run.table.labels))
    except (AudioError, ArchiveError) as error:
        return run.table.failed(file, error)


def _recognizer(run: Run) -> Recognizer:
    """Load the model, once in a process; it must be the one that the others have."""
    recognizer = load(run.table.model.name)
    bundle = recognizer.bundle
    same = bundle.info == run.table.model
    if not same or archive.settings_digest(bundle) != run.settings_sha256:
        raise ClusterError(detail=f"a worker has another version of the model '{bundle.name}'")
    return recognizer


def _prediction(
    source: Folder, file: Listed, recognizer: Recognizer, labels: tuple[str, ...]
) -> Prediction:
    limit = DecodeLimits().max_bytes
    if file.size_bytes > limit:  # told before it is fetched
        raise TooLargeError(size_mb=file.size_bytes / 1024**2, limit_mb=limit / 1024**2)
    try:
        with fetched(source, file.name) as path:
            return recognizer.recognize(path, labels)
    except SerError:
        raise
    except OSError as error:
        detail = error.strerror or str(error)
        raise UnreadableFileError(path=file.name, detail=detail) from error
    except Exception as error:  # one recording never stops the others
        raise AnalysisFailedError(detail=f"{type(error).__name__}: {error}") from error

"""A whole archive on Dask: parts to workers, a bounded number at a time, in any number of runs.

Whatever is killed, starting again goes on where the destination says; see `ml.archive`. A part
over which workers die is set aside. In the end its recordings are tried one at a time, with
nothing else under way, so that the one to blame is found and the others get their answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import chain, islice

from distributed import Client, Future, KilledWorker, as_completed

from ml import archive
from ml.archive import Part, Run, State
from ml.bundle import read_bundle
from ml.clusters import result, threads
from ml.errors import ClusterError, DestinationError, EmptyArchiveError, WorkerDiedError
from ml.folders import Folder, Listed, list_files, matches, open_folder, tidy
from ml.labels import restrict
from ml.parts import Done, analyse_file, analyse_part, lacking
from ml.recordings import SUFFIXES
from ml.rows import Table, shown

Cluster = Callable[[], AbstractContextManager[Client]]

FILES_PER_PART = 16
_PATTERNS = tuple(f"*{suffix}" for suffix in SUFFIXES)
_PARTS_PER_THREAD = 2
"""One that is analysed and one that waits beside it."""
_FAILURES_KEPT = 10
_TOLERATED_SUSPECTS = 8


@dataclass
class Tally:
    """How far an archive is.

    Attributes
    ----------
    files : int
        All that are planned.
    added, changed, passed_over : int
        New since earlier runs; planned, but of another size or ETag now; no recordings by name.
    done : int
        Files that are finished, failed ones among them.
    analysed : int
        Those of them that this run finished.
    errors : Counter
        How many failed with each code.
    failures : list of State
        The first that failed in this run.
    workers : int or None
        Threads that the cluster has; None as long as none is needed.
    """

    files: int = 0
    added: int = 0
    changed: int = 0
    passed_over: int = 0
    done: int = 0
    analysed: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    failures: list[State] = field(default_factory=list)
    workers: int | None = None

    def count(self, states: list[State]) -> None:
        """Take note of files that are finished."""
        self.done += len(states)
        self.errors.update(state.error_code for state in states if state.error_code)

    def count_now(self, done: Done) -> None:
        """Take note of a part that is finished now."""
        self.count(done.states)
        self.analysed += done.analysed
        failed = [state for state in done.states if state.error_code and done.analysed]
        self.failures += failed[: _FAILURES_KEPT - len(self.failures)]


def describe(
    source: str, output: str, model: str, labels: tuple[str, ...] | None, layout: str, form: str
) -> Run:
    """Say what a run is to do.

    Raises
    ------
    UnknownModelError, UnknownLabelsError
        If there is no such model, or it does not know the labels.
    ArchiveError
        If an address cannot be opened, or both are the same.
    """
    bundle = read_bundle(model)
    kept = restrict(dict.fromkeys(bundle.labels, 1.0), labels or bundle.labels)
    found, given = open_folder(source), open_folder(output)
    if found.url == given.url:
        raise DestinationError(url=given.url, detail="it is the source itself")
    table = Table(layout, bundle.info, tuple(kept))
    return Run(found.url, given.url, table, form, archive.settings_digest(bundle))


def analyse_archive(
    run: Run,
    cluster: Cluster,
    *,
    patterns: tuple[str, ...] = (),
    files_per_part: int = FILES_PER_PART,
    retry: bool = False,
    report: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Analyse all recordings of a source that its destination has no answers for yet.

    Parameters
    ----------
    run : Run
        From `describe`.
    cluster : callable
        `local_cluster` or `running_cluster`; is called only if there is something to do.
    patterns : tuple of str
        Take files whose name or path is like one of these; by default those with a suffix of
        recordings.
    files_per_part : int
        Recordings that a worker takes, and a file of the result holds, at most.
    retry : bool
        Analyse again those that failed.
    report : callable
        Is told how far the work is.

    Raises
    ------
    ArchiveError
        If the work cannot be begun or cannot go on; what is done stays done.
    """
    source, output = open_folder(run.source), open_folder(run.output)
    tally = Tally()
    recordings = _recordings(list_files(source, without=output), patterns or _PATTERNS, tally)
    first = next(recordings, None)
    if first is None and not archive.read_plan(output, 0):
        raise EmptyArchiveError(url=run.source, passed_over=tally.passed_over)
    archive.begin(output, run)
    listed = chain([first] if first else [], recordings)
    plan = archive.extend_plan(output, listed, files_per_part)
    tally.files, tally.added, tally.changed = plan.files, plan.added, plan.changed
    shards = _OpenShards(output, plan.shards, retry, tally)
    report(tally)
    if shards.numbers:
        with cluster() as client:
            tally.workers = threads(client)
            report(tally)
            for part, done in _answers(client, run, shards.parts(), retry):
                shards.settle(part, done)
                report(tally)
    tidy(output)
    return tally


def _recordings(
    files: Iterator[Listed], patterns: tuple[str, ...], tally: Tally
) -> Iterator[Listed]:
    for file in files:
        if matches(file.name, patterns):
            yield file
        else:
            tally.passed_over += 1


class _OpenShards:
    """Shards without a manifest, which is written once all their parts are done.

    Parameters
    ----------
    output : Folder
    shards : int
        All that are planned.
    retry : bool
        Shards with files that failed are opened again.
    tally : Tally
        Is told what the finished ones hold, and what becomes of the others.
    """

    def __init__(self, output: Folder, shards: int, retry: bool, tally: Tally) -> None:
        self._output, self._tally = output, tally
        self._begun: dict[int, dict[int, list[State]]] = {}
        self._missing: Counter[int] = Counter()
        self.numbers = [shard for shard in range(shards) if not self._finished(shard, retry)]

    def _finished(self, shard: int, retry: bool) -> bool:
        states = archive.read_manifest(self._output, shard)
        if states is None:
            return False
        if retry and any(state.error_code for state in states):
            archive.reopen(self._output, shard)
            return False
        self._tally.count(states)
        return True

    def parts(self) -> Iterator[Part]:
        """Read the plan, a shard at a time."""
        for shard in self.numbers:
            parts = archive.read_plan(self._output, shard)
            self._begun[shard], self._missing[shard] = {}, len(parts)
            yield from parts

    def settle(self, part: Part, done: Done) -> None:
        """Take note of a part that is done."""
        self._tally.count_now(done)
        begun = self._begun[part.shard]
        begun[part.number] = done.states
        if len(begun) == self._missing[part.shard]:
            lines = chain.from_iterable(begun[number] for number in sorted(begun))
            archive.write_manifest(self._output, part.shard, lines)
            del self._begun[part.shard], self._missing[part.shard]


def _answers(
    client: Client, run: Run, parts: Iterator[Part], retry: bool
) -> Iterator[tuple[Part, Done]]:
    """Have all parts done; yields each as soon as it is."""
    suspects: list[Part] = []
    finished = 0
    for part, future in _submitted(client, run, parts, retry):
        try:
            done = result(future)
        except KilledWorker:
            suspects.append(part)
            if len(suspects) > _TOLERATED_SUSPECTS + finished // 10:
                raise ClusterError(detail="its processes die all the time (memory?)") from None
        else:
            finished += 1
            yield part, done
    for part in suspects:
        yield part, _one_by_one(client, run, part, retry)


def _submitted(
    client: Client, run: Run, parts: Iterator[Part], retry: bool
) -> Iterator[tuple[Part, Future]]:
    """Keep all workers busy with few parts waiting; yields those that have ended."""
    running: dict[Future, Part] = {}
    ended = as_completed(loop=client.loop)

    def submit() -> None:
        room = _PARTS_PER_THREAD * max(1, threads(client)) - len(running)
        for part in islice(parts, max(0, room)):
            future = client.submit(analyse_part, run, part, retry, pure=False, retries=1)
            running[future] = part
            ended.add(future)

    submit()
    for future in ended:
        part = running.pop(future)
        submit()
        yield part, future


def _one_by_one(client: Client, run: Run, part: Part, retry: bool) -> Done:
    """Do a part over which workers died, a recording at a time, and write it from here."""
    output = open_folder(run.output)
    rows = archive.read_part(output, run, part)
    missing = lacking(part, rows, retry)
    for file in missing:
        future = client.submit(analyse_file, run, file, pure=False)
        try:
            rows[shown(file.name)] = result(future)
        except KilledWorker:
            rows[shown(file.name)] = run.table.failed(file, WorkerDiedError())
    archive.write_part(output, run, part, rows)
    return Done(archive.states(run, part, rows), len(missing))

"""A process in which one model hears recordings: its priority is the lowest, its faults its own.

A model that is being tried may be slow, take memory, or end its process. Here none of that reaches
the processes that answer visitors.
"""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import ml

_BOOT = "import sys; sys.path[:] = sys.argv[4:]; from webapp import listener; listener.serve()"
# One thread each: idle cores are for visitors, too.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
NICENESS = 19
"""Of the process: whatever else runs on the machine goes first."""


class ListenerError(Exception):
    """The model could not hear a recording; says why."""


def read_listener(model: str) -> ml.Bundle:
    """Read the description of a model by its name, or by its bundle's folder.

    Raises
    ------
    ml.ModelError
        If there is none, or it is damaged.
    """
    folder = Path(model)
    return ml.read_bundle(folder if (folder / "bundle.json").is_file() else model)


class Listener:
    """The process as its caller sees it: started when it is asked, again if it ended.

    Parameters
    ----------
    model : str
        A model's name, or the folder of a bundle.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._process: subprocess.Popen | None = None
        self._socket: socket.socket | None = None
        self._closed = False

    def ask(
        self, waveform: ml.Waveform, labels: tuple[str, ...] | None, limit_s: float
    ) -> dict[str, Any]:
        """Let the model hear a recording.

        Parameters
        ----------
        waveform : ml.Waveform
        labels : tuple of str or None
            What it is to choose among.
        limit_s : float
            After so many seconds without an answer the process is ended.

        Returns
        -------
        dict
            The JSON object of `ml.to_dict`.

        Raises
        ------
        ListenerError
            If it cannot hear it, takes too long, or ends.
        """
        asked = {
            "labels": labels,
            "rate_hz": waveform.sample_rate_hz,
            "bytes": waveform.samples.nbytes,
        }
        try:
            reply = self._reply(asked, waveform, limit_s)
        except TimeoutError:
            self._stop()
            raise ListenerError(f"no answer in {limit_s:.0f} s") from None
        except OSError as error:
            self._stop()
            raise ListenerError(f"its process cannot be reached ({error})") from None
        if "prediction" not in reply:
            raise ListenerError(reply["error"])
        return reply["prediction"]

    def _reply(self, asked: dict[str, Any], waveform: ml.Waveform, limit_s: float) -> Any:
        connection = self._socket or self._start()
        until_s = time.monotonic() + limit_s
        connection.settimeout(limit_s)
        connection.sendall(json.dumps(asked).encode() + b"\n")
        connection.sendall(waveform.samples.data)
        connection.settimeout(max(0.001, until_s - time.monotonic()))
        with connection.makefile("rb") as replies:
            line = replies.readline()
        if not line:
            raise ConnectionError("it ended")
        return json.loads(line)

    def _start(self) -> socket.socket:
        if self._closed:
            raise ConnectionError("it was ended")
        ours, theirs = socket.socketpair()
        with theirs:
            path = [entry or os.getcwd() for entry in sys.path]
            command = [sys.executable, "-W", "ignore", "-c", _BOOT]
            self._process = subprocess.Popen(  # noqa: S603 this Python
                [*command, str(theirs.fileno()), str(NICENESS), self._model, *path],
                env={**os.environ, **_ENVIRONMENT},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._socket = ours
        return ours

    def close(self) -> None:
        """End the process for good, whatever it is doing; any thread may."""
        self._closed = True
        self._stop()

    def _stop(self) -> None:
        process, connection = self._process, self._socket
        self._process = self._socket = None
        if process:
            process.kill()
            process.wait()
        if connection:
            connection.close()


def serve() -> None:
    """Hear one recording after the other until nobody asks any more; runs in the process."""
    os.nice(int(sys.argv[2]))
    # Ctrl-C goes to the whole group; whoever asks ends this process then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=int(sys.argv[1]))
    with suppress(ConnectionError), connection, connection.makefile("rwb") as stream:
        _answer_all(stream, sys.argv[3])


def _answer_all(stream: io.BufferedRWPair, model: str) -> None:
    recognizer: ml.Recognizer | None = None
    while line := stream.readline():
        asked = json.loads(line)
        content = stream.read(asked["bytes"])
        try:
            recognizer = recognizer or ml.Recognizer(read_listener(model))
            reply: dict[str, Any] = {"prediction": _heard(recognizer, asked, content)}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        stream.write(json.dumps(reply).encode() + b"\n")
        stream.flush()


def _heard(recognizer: ml.Recognizer, asked: dict[str, Any], content: bytes) -> dict[str, Any]:
    import numpy as np

    waveform = ml.Waveform(np.frombuffer(content, np.float32), asked["rate_hz"])
    labels = tuple(asked["labels"]) if asked["labels"] else None
    return ml.to_dict(recognizer.recognize(waveform, labels=labels))

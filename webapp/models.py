"""The trained models as a site has them: loaded once, and known to be whole or not."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import ml

log = logging.getLogger(__name__)

_Stamp = tuple[tuple[str, int, int], ...]
"""Name, size and time of the last change of each file of a model."""


class ModelUnavailableError(ml.SerError):
    """A model whose files are missing or damaged, or that a setting names and nobody has."""

    code: ClassVar[str] = "model_unavailable"
    message_template: ClassVar[str] = "The model '{name}' cannot be used at the moment ({detail})."
    hint_template: ClassVar[str] = "Choose another model, or try again in a few minutes."


@dataclass(frozen=True)
class _Checked:
    """What was found when a model's files were last read."""

    stamp: _Stamp
    bundle: ml.Bundle | None
    trouble: str


class Models:
    """Gives models to whoever asks; what is damaged is told apart from what never was.

    Their files are read whole when they have changed, so that damage shows before a thread that
    has yet to open a network comes upon it, and so does its repair.

    Parameters
    ----------
    default : str
        The one that answers unless a request names one; that of `ml` where it is empty.
    """

    def __init__(self, default: str) -> None:
        self._default = default
        self._checked: dict[str, _Checked] = {}
        self._loaded: dict[str, ml.Recognizer] = {}
        self._lock = threading.RLock()

    @property
    def default(self) -> str:
        """The model that answers unless a request names one."""
        return self._default or ml.DEFAULT_MODEL

    @property
    def names(self) -> list[str]:
        """All models that there should be, the default first."""
        found = {self.default, *ml.bundle_names(), *self._checked}
        return sorted(found, key=lambda name: (name != self.default, name))

    def usable(self) -> list[ml.Bundle]:
        """Give the models that can be used, the default first where it can."""
        found = (self._check(name).bundle for name in self.names)
        return [bundle for bundle in found if bundle]

    def broken(self) -> list[str]:
        """Name the models that cannot be used at the moment."""
        return [name for name in self.names if not self._check(name).bundle]

    def get(self, name: str) -> ml.Bundle | None:
        """Give a model's description; None where there is none, or it cannot be used."""
        return self._check(name).bundle if name in self.names else None

    def check(self, name: str | None = None) -> ml.Bundle:
        """Give a model's description if it can be used.

        Raises
        ------
        ModelUnavailableError
            If its files are missing or damaged.
        """
        name = name or self.default
        checked = self._check(name)
        if not checked.bundle:
            raise ModelUnavailableError(name=name, detail=checked.trouble)
        return checked.bundle

    def _check(self, name: str) -> _Checked:
        with self._lock:
            stamp, known = _stamp(ml.BUNDLES / name), self._checked.get(name)
            if known is None or known.stamp != stamp:
                known = self._checked[name] = _read(name, stamp)
            return known

    @contextlib.contextmanager
    def used(self, name: str | None = None) -> Iterator[ml.Recognizer]:
        """Give a loaded model to work with.

        Raises
        ------
        ml.UnknownModelError
            If whoever asked named one that there is not.
        ModelUnavailableError
            If its files are missing or damaged; also while it is used.
        """
        asked = name or self.default
        try:
            yield self._load(asked)
        except ml.UnknownModelError as error:
            if asked not in self.names:
                raise
            raise ModelUnavailableError(name=asked, detail="its files are missing") from error
        except ml.CorruptBundleError as error:
            log.error("%s", error)
            raise ModelUnavailableError(name=asked, detail=error.params["detail"]) from error

    def _load(self, name: str) -> ml.Recognizer:
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = ml.load(name)
            return self._loaded[name]

    def preload(self) -> None:
        """Read every model once, and load the default; raises as `used` does."""
        self.broken()
        with self.used():
            pass


def _stamp(folder: Path) -> _Stamp:
    try:
        files = sorted(folder.iterdir())
        stats = [(path.name, path.stat()) for path in files]
    except OSError:
        return ()
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


def _read(name: str, stamp: _Stamp) -> _Checked:
    try:
        return _Checked(stamp, ml.check_bundle(name), "")
    except ml.UnknownModelError:
        trouble = "its files are missing"
    except ml.CorruptBundleError as error:
        trouble = str(error.params["detail"])
    log.error("The model %s cannot be used: %s", name, trouble)
    return _Checked(stamp, None, trouble)

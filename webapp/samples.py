"""The clips that come with the site."""

import json
from dataclasses import dataclass
from pathlib import Path

from webapp.settings import ROOT

SAMPLES = ROOT / "samples"


@dataclass(frozen=True)
class Sample:
    """A clip that comes with the site; `intended` is the emotion it was performed as."""

    id: str
    title: str
    file: str
    description: str
    intended: str | None
    voice: str
    seconds: float
    text: str

    @property
    def path(self) -> Path:
        """Where the clip lies."""
        return SAMPLES / self.file


def samples() -> tuple[Sample, ...]:
    """Read the bundled clips from their index; none where an operator removed it."""
    try:
        rows = json.loads((SAMPLES / "index.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    names = Sample.__dataclass_fields__
    return tuple(Sample(**{name: row[name] for name in names}) for row in rows)

"""What data a model was trained on, as one number that anybody can make again."""

import hashlib
from collections.abc import Iterable

from ml.corpora.clips import Clip


def checksum(clips: Iterable[Clip]) -> str:
    """Sum up clips by their content, name, speaker and label, wherever the folder lies.

    Returns
    -------
    str
        SHA-256 in hexadecimal digits; the order of the clips does not matter.

    Raises
    ------
    OSError
        If a clip's file cannot be read.
    """
    lines = []
    for clip in clips:
        with clip.path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        lines.append(f"{content} {clip.label} {clip.speaker} {clip.path.name}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()

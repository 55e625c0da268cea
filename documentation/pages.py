"""Which files of the repository are pages of the site, and where their links lead there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "build" / "notebooks"
"""Where ``python -m notebooks.render`` leaves Markdown; the site takes in what is there."""
HOME = "index.md"
PAGES = {
    **{f"docs/{path.name}": path.name for path in sorted((ROOT / "docs").glob("*.md"))},
    "README.md": "readme.md",
    "MODEL_CARD.md": "model-card.md",
    "CHANGELOG.md": "changelog.md",
    "LICENSE-WEIGHTS.md": "licence-of-the-weights.md",
    "samples/README.md": "samples.md",
    "reports/README.md": "report.md",
    "notebooks/README.md": "notebooks-overview.md",
}
"""File of the repository -> page of the site."""
FILES = "files"
"""Folder of the site for what pages point to and is no page: code, templates, pictures."""

_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_LINK = re.compile(r"(?P<open>\]\()(?P<target>[^)\s#]*)(?P<anchor>#[^)\s]*)?(?P<close>\))")
_SECTION = re.compile(r"^## (?P<caption>.+)$")
_ENTRY = re.compile(r"^- \[(?P<title>[^]]+)\]\((?P<page>[\w-]+)\.md\)")


class BrokenLinkError(ValueError):
    """A link of a document that leads to nothing in the repository."""


@dataclass(frozen=True)
class Section:
    """One part of the navigation: its caption, and title -> page without its ending."""

    caption: str
    entries: dict[str, str]


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Change the lines of a Markdown text that are not within a fenced block."""
    fence, lines = "", []
    for line in text.splitlines(keepends=True):
        mark = _FENCE.match(line)
        lines.append(line if fence or mark else change(line))
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence):
            fence = ""
    return "".join(lines)


def with_links_of_the_site(text: str, source: str, output: Path) -> str:
    """Point links between files of the repository to pages and files of the site.

    Parameters
    ----------
    text : str
        Markdown.
    source : str
        The file it stands in, as seen from the repository.
    output : Path
        The folder of the site's sources; files that are no pages are copied into it.

    Raises
    ------
    BrokenLinkError
        For a link to a file that is not in the repository.
    """

    def moved(link: re.Match[str]) -> str:
        target = link["target"]
        if not target or ":" in target:
            return link[0]
        found = os.path.normpath(PurePosixPath(source).parent / target)
        if found not in PAGES:
            found = _copied(found, source, output)
        return f"{link['open']}{PAGES.get(found, found)}{link['anchor'] or ''}{link['close']}"

    return outside_code(text, lambda line: _LINK.sub(moved, line))


def _copied(file: str, source: str, output: Path) -> str:
    """Copy a file that a page points to into the site; gives its place there."""
    if not (ROOT / file).is_file():
        raise BrokenLinkError(f"{source} points to {file}, which is no file of the repository")
    place = Path(FILES) / file
    (output / place).parent.mkdir(parents=True, exist_ok=True)
    (output / place).write_bytes((ROOT / file).read_bytes())
    return place.as_posix()


def navigation(home: str) -> list[Section]:
    """Read the navigation from the front page: headings, and the lists of links below them."""
    sections: list[Section] = []
    for line in home.splitlines():
        if heading := _SECTION.match(line):
            sections.append(Section(heading["caption"], {}))
        elif sections and (entry := _ENTRY.match(line)):
            sections[-1].entries[entry["title"]] = entry["page"]
    return [section for section in sections if section.entries]


def toctrees(sections: list[Section]) -> str:
    """Write the navigation as Sphinx reads it, not to be seen on the page itself."""
    return "".join(
        "\n```{toctree}\n:hidden:\n:caption: "
        + section.caption
        + "\n\n"
        + "".join(f"{title} <{page}>\n" for title, page in section.entries.items())
        + "```\n"
        for section in sections
    )


def notebook_pages(folder: Path = NOTEBOOKS) -> list[Path]:
    """List the notebooks that have been rendered, in order; none where that was not done."""
    return sorted(folder.glob("*.md"))

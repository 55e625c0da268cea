"""Build the documentation site: ``python -m documentation.build [--output build/site]``.

Its sources are gathered in ``build/documentation``: the repository's Markdown with links that hold
there, pages written from the code, and the notebooks where they have been rendered. Sphinx makes
the site of them. A warning is an error.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

from documentation import reference
from documentation.pages import (
    HOME,
    NOTEBOOKS,
    PAGES,
    ROOT,
    Section,
    navigation,
    notebook_pages,
    toctrees,
    with_links_of_the_site,
)

SOURCES = ROOT / "build" / "documentation"
SITE = ROOT / "build" / "site"
STRICT = ("--fail-on-warning", "--keep-going", "--nitpicky", "--quiet", "--fresh-env")
GENERATED_UNDER = "Reference"
"""The section of the navigation that the pages written from the code belong to."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the documentation site.")
    parser.add_argument("--output", type=Path, default=SITE, metavar="DIR")
    parser.add_argument("--sources", type=Path, default=SOURCES, metavar="DIR")
    parser.add_argument("--notebooks", type=Path, default=NOTEBOOKS, metavar="DIR")
    args = parser.parse_args()
    gather(args.sources, args.notebooks)
    return build(args.sources, args.output)


def gather(sources: Path, notebooks: Path) -> None:
    """Write all sources of the site into a folder, anew."""
    shutil.rmtree(sources, ignore_errors=True)
    sources.mkdir(parents=True)
    for file, page in PAGES.items():
        text = (ROOT / file).read_text(encoding="utf-8")
        (sources / page).write_text(with_links_of_the_site(text, file, sources), encoding="utf-8")
    for page, (_title, write) in reference.PAGES.items():
        (sources / f"{page}.md").write_text(write(), encoding="utf-8")
    _copy_notebooks(notebooks, sources)
    home = (sources / HOME).read_text(encoding="utf-8")
    sections = [_with_generated(section) for section in navigation(home)]
    sections += _notebooks(notebooks)
    (sources / HOME).write_text(home + toctrees(sections), encoding="utf-8")


def _with_generated(section: Section) -> Section:
    if section.caption != GENERATED_UNDER:
        return section
    written = {title: page for page, (title, _write) in reference.PAGES.items()}
    return Section(section.caption, written | section.entries)


def _copy_notebooks(notebooks: Path, sources: Path) -> None:
    """Take in notebooks with their pictures; links to the repository's documents hold there."""
    if not notebook_pages(notebooks):
        return
    target = sources / "notebooks"
    shutil.copytree(notebooks, target)
    for page in target.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for file, name in PAGES.items():
            text = text.replace(f"]({os.path.relpath(file, 'notebooks')}", f"](../{name}")
        page.write_text(text, encoding="utf-8")


def _notebooks(folder: Path) -> list[Section]:
    pages = notebook_pages(folder)
    entries = {_title(page): f"notebooks/{page.stem}" for page in pages}
    return [Section("Notebooks", entries)] if entries else []


def _title(page: Path) -> str:
    """Give the first heading of a Markdown file."""
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            return line.removeprefix("# ").strip()
    raise ValueError(f"{page} has no heading")


def build(sources: Path, output: Path) -> int:
    """Let Sphinx make the site; gives its exit code."""
    shutil.rmtree(output, ignore_errors=True)
    configuration = Path(__file__).parent
    trees = sources.with_name(f"{sources.name}-doctrees")
    options = ("--builder", "html", "--conf-dir", str(configuration), "--doctree-dir", str(trees))
    code = build_main([*STRICT, *options, str(sources), str(output)])
    if code == 0:
        _copy_sounds(sources, output)
        print(f"The documentation is in {output}: open {output / 'index.html'}")
    return code


def _copy_sounds(sources: Path, output: Path) -> None:
    """Lay the notebooks' sounds beside their pages; Sphinx knows of pictures only."""
    for sound in sources.glob("notebooks/*/*.wav"):
        place = output / sound.relative_to(sources)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sound, place)


if __name__ == "__main__":
    sys.exit(main())

"""Write the lists of packages anew: exact versions with the hashes of all their files.

python -m dependencies.lock [options of `uv pip compile`]

What is asked for stands in pyproject.toml. Versions stay as they are pinned; what is new there gets
the newest version that fits, what nothing needs any more goes. `--upgrade-package NAME` renews one
package, `--upgrade` all. One set is found for Python 3.11 to 3.13 on every platform together.
What stands above the first package of a list is kept as it is.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from dependencies.lists import LISTS, ROOT, PackageList, included

UV = Path(sys.executable).with_name("uv")
OPTIONS = (
    *("pip", "compile", "--quiet", "--universal", "--python-version=3.11"),
    *("--only-binary=:all:", "--generate-hashes", "--no-header", "--annotation-style=line"),
)
BLOCK = re.compile(r"^(?=[\w.-]+==)", re.MULTILINE)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        pinned = Path(folder) / "pinned.txt"
        pinned.write_text("".join("".join(blocks(ROOT / file)) for file in LISTS))
        compile_into(pinned, everything(), *sys.argv[1:])
        for one in LISTS.values():
            write(one, resolve(one, pinned.read_text(), Path(folder) / "list.txt"))
    return 0


def everything() -> tuple[str, ...]:
    """Ask for all extras and groups, so that the lists agree with one another."""
    return ("pyproject.toml", "--all-extras", "--group=samples")


def resolve(one: PackageList, pinned: str, target: Path) -> list[str]:
    """Give the packages of a list, without those that a list which it includes has.

    Raises
    ------
    ValueError
        Where a list below has a package under a narrower condition than this one needs.
    """
    target.write_text(pinned)
    asked = [option for below in (*included(one), one) for option in below.asked]
    source = () if any("group" in option for option in asked) else ("pyproject.toml",)
    compile_into(target, (*source, *asked))
    below = {name(block): block for other in included(one) for block in blocks(ROOT / other.file)}
    for block in blocks(target):
        if name(block) in below and first_line(block) != first_line(below[name(block)]):
            raise ValueError(
                f"{one.file} needs '{first_line(block)}', but a list that it includes has "
                f"'{first_line(below[name(block)])}'"
            )
    return [block for block in blocks(target) if name(block) not in below]


def compile_into(target: Path, asked: tuple[str, ...], *options: str) -> None:
    """Let uv find the packages; it prefers the versions that the target already holds."""
    command = [str(UV), *OPTIONS, *asked, *options, f"--output-file={target}"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 own list


def blocks(path: Path) -> list[str]:
    """Split a list into its packages, each with hashes and with who needs it."""
    return BLOCK.split(path.read_text())[1:]


def first_line(block: str) -> str:
    return block.splitlines()[0]


def name(block: str) -> str:
    return block.partition("==")[0]


def write(one: PackageList, packages: list[str]) -> None:
    """Put packages under a list's own heading."""
    heading = BLOCK.split((ROOT / one.file).read_text())[0]
    (ROOT / one.file).write_text(heading + "".join(packages))


if __name__ == "__main__":
    sys.exit(main())

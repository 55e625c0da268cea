"""How large the package is that App Service's build makes: an environment, and the site beside it.

python -m benchmarks.package [--write docs/deploy.md]

Installs the lists into a fresh environment, as the build does, and adds up the files. Ends with 1
where a package reaches 1 GB (1,000,000,000 bytes).
"""

import argparse
import datetime
import platform
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LISTS = ("requirements.txt", "requirements-azure.txt")
LIMIT_BYTES = 1_000_000_000
START, END = "<!-- python -m benchmarks.package -->\n", "<!-- so far -->\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", type=Path)
    args = parser.parse_args()
    site = size(deployed())
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        measured = [(name, installed(Path(folder), name)) for name in LISTS]
    text = table(measured, site)
    print(text, end="")
    if args.write:
        before, rest = args.write.read_text().split(START)
        args.write.write_text(before + START + text + END + rest.split(END)[1])
    return int(max(packages for _name, packages in measured) + site >= LIMIT_BYTES)


def installed(folder: Path, name: str) -> int:
    """Install a list; give the bytes of the whole environment."""
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "-r", ROOT / name]
    subprocess.run(pip, check=True, stderr=subprocess.DEVNULL)
    return size(folder.rglob("*"))


def deployed() -> Iterable[Path]:
    """List the files that `make package` packs."""
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    names = re.search(r"^DEPLOYED := (.*)$", makefile, re.MULTILINE)[1].split()
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *names],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def size(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file() and not path.is_symlink())


def table(measured: list[tuple[str, int]], site: int) -> str:
    rows = [
        f"| `{name}` | {packages / 1e6:.0f} MB | {site / 1e6:.0f} MB "
        f"| **{(packages + site) / 1e6:.0f} MB** |"
        for name, packages in measured
    ]
    return "\n".join(
        [
            f"Measured on {datetime.date.today().isoformat()} with Python "
            f"{platform.python_version()} on {platform.machine()}.",
            "",
            "| list | environment | site | together |",
            "|---|--:|--:|--:|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())

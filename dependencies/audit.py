"""Ask whether anything that is pinned has a known vulnerability: pip-audit, and npm audit.

python -m dependencies.audit [options of pip-audit]

Ends with 0 where all was asked for and nothing is known, 1 where something is known, and 2 where
something could not be asked for: then nothing is known about that, good or bad. (pip-audit itself
says "No known vulnerabilities found" also where it was told nothing at all.)
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dependencies.lists import LISTS, ROOT

PIP_AUDIT = (
    str(Path(sys.executable).with_name("pip-audit")),
    *("--format=json", "--progress-spinner=off", "--desc=off", "--disable-pip", "--require-hashes"),
)
NPM_AUDIT = ("npm", "audit", "--json", "--package-lock-only")


@dataclass(frozen=True)
class Audit:
    """What one service answered about the packages of some files."""

    files: str
    known: tuple[str, ...]
    """Vulnerabilities, a line each."""
    unasked: tuple[str, ...]
    """Why nothing is known, a line for each package, or for all."""


def main() -> int:
    audits = (audit_python([*LISTS], sys.argv[1:]), audit_npm(ROOT))
    for audit in audits:
        print("\n".join(report(audit)))
    return verdict(audits)


def verdict(audits: Iterable[Audit]) -> int:
    """Give the exit code: what is known weighs more than what could not be asked for."""
    audits = list(audits)
    return 1 if any(one.known for one in audits) else 2 * any(one.unasked for one in audits)


def report(audit: Audit) -> list[str]:
    """Say in lines what came out."""
    lines = [f"{audit.files}: {line}" for line in audit.known]
    if audit.unasked:
        lines.append(
            f"{audit.files}: NOT CHECKED ({len(audit.unasked)}). No advisories were to be had, so "
            f"nothing is known, good or bad. The first reason: {audit.unasked[0]}"
        )
    return lines or [f"{audit.files}: no known vulnerabilities"]


def audit_python(files: Sequence[str], options: Sequence[str] = ()) -> Audit:
    """Ask pip-audit about all packages of some lists that this Python would install."""
    named = [f"--requirement={ROOT / file}" for file in files]
    answer, complaint = ask([*PIP_AUDIT, *named, *options])
    if "dependencies" not in answer:
        return Audit("requirements", (), (complaint,))
    packages = answer["dependencies"]
    known = (
        f"{package['name']} {package['version']}: {one['id']}, "
        f"fixed in {', '.join(one['fix_versions']) or 'no version yet'}"
        for package in packages
        for one in package.get("vulns", ())
    )
    unasked = (package["skip_reason"] for package in packages if "skip_reason" in package)
    return Audit("requirements", tuple(known), tuple(unasked))


def audit_npm(folder: Path) -> Audit:
    """Ask npm about all packages of package-lock.json."""
    answer, complaint = ask(NPM_AUDIT, folder)
    if "vulnerabilities" not in answer:
        return Audit("package-lock.json", (), (answer.get("message", complaint),))
    known = (
        f"{name} {one['range']}: {one['severity']}, "
        f"{'a fix is there' if one['fixAvailable'] else 'no fix yet'}"
        for name, one in answer["vulnerabilities"].items()
    )
    return Audit("package-lock.json", tuple(known), ())


def ask(command: Sequence[str], folder: Path = ROOT) -> tuple[dict[str, Any], str]:
    """Run a command that answers in JSON; give the answer, {} for none, and its last complaint."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)  # noqa: S603 own words
    complaint = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    try:
        return json.loads(done.stdout), complaint
    except json.JSONDecodeError:
        return {}, complaint


if __name__ == "__main__":
    sys.exit(main())

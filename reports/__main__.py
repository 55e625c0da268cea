"""Builds the technical report: ``python -m reports --output DIR`` writes PDF and HTML."""

import argparse
import sys
from pathlib import Path

from ml.bundle import bundle_names, read_bundle
from reports.document import ReportError, build, read_measured


def main(arguments: list[str] | None = None) -> int:
    """Build it from the bundles that ship."""
    parser = argparse.ArgumentParser(prog="python -m reports", description=__doc__)
    parser.add_argument(
        "--output", type=Path, default=Path("build/report"), metavar="DIR", help="where it goes"
    )
    output = parser.parse_args(arguments).output
    try:
        written = build(list(map(read_bundle, bundle_names())), read_measured(), output)
    except ReportError as error:
        sys.stderr.write(f"No report: {error}\n")
        return 1
    sys.stdout.write(f"{written['pdf']}\n{written['html']}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

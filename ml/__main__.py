"""The command line: ``python -m ml COMMAND``, installed as ``undertone``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from concurrent.futures.process import BrokenProcessPool

from ml.commands.batch import add_batch
from ml.commands.compare import add_compare
from ml.commands.completion import add_completion
from ml.commands.evaluate import add_evaluate
from ml.commands.export import add_export
from ml.commands.lists import add_corpora, add_models
from ml.commands.predict import add_predict
from ml.commands.terminal import HelpFormatter, complain
from ml.commands.train import add_train
from ml.errors import SerError

_COMMANDS = (
    add_predict,
    add_batch,
    add_train,
    add_evaluate,
    add_export,
    add_compare,
    add_models,
    add_corpora,
)
_INTERRUPTED, _PIPE_CLOSED = 128 + signal.SIGINT, 128 + signal.SIGPIPE

EXIT_CODES = """\
exit codes:
  0    done
  1    done, but not for every file; what failed is told on standard error
  2    the call cannot be carried out as given
  130  interrupted
  141  whoever read the output has left
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    Returns
    -------
    int
        See `EXIT_CODES`.
    """
    args = make_parser().parse_args(arguments)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = args.run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has left; this keeps Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    except (SerError, OSError, BrokenProcessPool) as error:
        complain(str(error))
        return 2
    return code


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="undertone",
        description="Says which emotion a voice carries, how sure it is, and when it cannot tell.",
        epilog=EXIT_CODES,
        formatter_class=HelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in _COMMANDS:
        add(commands)
    add_completion(commands, parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())

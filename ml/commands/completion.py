"""``completion``: what a shell needs to complete commands and options."""

from __future__ import annotations

import argparse
from functools import partial

import shtab

from ml.commands.terminal import Commands, add_command


def add_completion(commands: Commands, whole: argparse.ArgumentParser) -> None:
    """Add ``completion``; `whole` is the parser of all commands."""
    parser = add_command(
        commands,
        "completion",
        "print what a shell needs to complete commands and options",
        "Prints a script for the shell to read.",
        "completion bash > ~/.local/share/bash-completion/completions/undertone",
        "completion zsh > ~/.zfunc/_undertone",
    )
    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS)
    parser.set_defaults(run=partial(_run_completion, whole))


def _run_completion(whole: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    print(shtab.complete(whole, args.shell))
    return 0

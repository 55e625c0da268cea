"""``models`` and ``corpora``: what there is."""

from __future__ import annotations

import argparse

from ml.bundle import DEFAULT_MODEL, Bundle, bundle_names, read_bundle
from ml.commands.terminal import Commands, add_command
from ml.corpora import CORPORA, describe_options


def add_models(commands: Commands) -> None:
    """Add ``models``."""
    parser = add_command(
        commands,
        "models",
        "list the trained models",
        "Names each model with its labels, licence and accuracy.",
        "models",
    )
    parser.set_defaults(run=_run_models)


def _run_models(_args: argparse.Namespace) -> int:
    for name in bundle_names():
        print(_described(read_bundle(name)))
    return 0


def _described(bundle: Bundle) -> str:
    card = bundle.card
    lines = [
        f"{bundle.name}  version {bundle.version}, {card['parameters'] / 1e6:.2f} M parameters, "
        f"{card['size_bytes'] / 1e6:.1f} MB{', the default' * (bundle.name == DEFAULT_MODEL)}",
        f"    labels: {', '.join(bundle.labels)}",
        f"    licence: {card['licence']}",
    ]
    lines += [
        f"    {corpus}: {found['wa']:.1%} WA, {found['ua']:.1%} UA, "
        f"{found['macro_f1']:.1%} macro-F1 on {found['clips']} clips of "
        f"{found['speakers']} unheard speakers"
        for corpus, found in card["metrics"].items()
    ]
    return "\n".join(lines)


def add_corpora(commands: Commands) -> None:
    """Add ``corpora``."""
    parser = add_command(
        commands,
        "corpora",
        "list the corpora that training reads",
        "Names each corpus with its labels, licence, layout and options.",
        "corpora",
    )
    parser.set_defaults(run=_run_corpora)


def _run_corpora(_args: argparse.Namespace) -> int:
    for corpus in CORPORA.values():
        about = ", ".join(filter(None, (corpus.licence, corpus.url)))
        print(f"{corpus.name}  {corpus.title} ({corpus.language}), {about}")
        print(f"    labels: {', '.join(corpus.labels)}")
        print(f"    layout: {corpus.layout}")
        if corpus.options:
            print(f"    options: {', '.join(describe_options(corpus))}")
        print(f"    {corpus.citation}")
    return 0

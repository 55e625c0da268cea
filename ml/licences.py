"""Under which terms trained weights go out: a licence file made from what they were learnt from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WHISPER = Path(__file__).with_name("whisper-license.txt")
"""What OpenAI wants to go along with the encoder's weights."""


@dataclass(frozen=True)
class Licence:
    """One row of `LICENCES`.

    Attributes
    ----------
    hub : str
        Its name on the Hugging Face Hub.
    url : str
        Its text.
    """

    hub: str
    url: str


LICENCES = {
    "CC BY 4.0": Licence("cc-by-4.0", "https://creativecommons.org/licenses/by/4.0/legalcode"),
    "CC BY-NC-SA 4.0": Licence(
        "cc-by-nc-sa-4.0", "https://creativecommons.org/licenses/by-nc-sa/4.0/legalcode"
    ),
    "ODbL 1.0": Licence("odbl", "https://opendatacommons.org/licenses/odbl/1-0/"),
}
"""Public licences by the names that cards have for them; any other text is a licence of its own."""


def binding_licences(card: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the licences that bind a bundle's weights, from what its card says in words."""
    return tuple(card["licence"].partition(" (")[0].split(", "))


def hub_licence(card: Mapping[str, Any]) -> dict[str, Any]:
    """Word the binding licences as the front matter of a Hugging Face model card has them."""
    names = binding_licences(card)
    if any(name not in LICENCES for name in names):
        return {"license": "other", "license_name": ", ".join(names), "license_link": "LICENSE"}
    known = [LICENCES[name].hub for name in names]
    return {"license": known[0] if len(known) == 1 else known}


def licence_text(card: Mapping[str, Any]) -> str:
    """Write the licence file of a bundle's weights.

    Parameters
    ----------
    card : dict
        Of a bundle.
    """
    lines = [f"The weights in this folder are offered under {_with_address(card)}.", ""]
    if any("NC" in name for name in binding_licences(card)):
        lines += ["They are not for commercial use.", ""]
    lines += ["They were learnt from these recordings. Name them when you pass the weights on:", ""]
    for row in card["corpora"]:
        lines += [f"- {row['title']}, {row['licence']}, {row['url']}", f"  {row['citation']}"]
    if card.get("encoder"):
        lines += [
            "",
            "They contain the first blocks of the encoder of Whisper base, further trained or as "
            "it was, under this licence:",
            "",
            WHISPER.read_text(encoding="utf-8").rstrip(),
        ]
    return "\n".join(lines) + "\n"


def _with_address(card: Mapping[str, Any]) -> str:
    names = binding_licences(card)
    return " and ".join(
        f"{name} ({LICENCES[name].url})" if name in LICENCES else name for name in names
    )

"""What a network is made of, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.markdown import table

if TYPE_CHECKING:
    import keras


def layers_table(model: keras.Model) -> str:
    """Lay out in Markdown the layers that have weights: what each yields, and how many there are.

    Returns
    -------
    str
        The last row holds all parameters, those included that are measured and not learnt.
    """
    heads = ("layer", "kind", "yields", "parameters")
    rows = []
    for layer in model.layers:
        if layer.weights:
            shape = " x ".join(str(size) for size in layer.output.shape[1:])
            rows.append((layer.name, type(layer).__name__, shape, f"{layer.count_params():,}"))
    rows.append(("all", "", "", f"{model.count_params():,}"))
    return "\n".join(table(heads, rows))

"""The position encodings of the pretrained encoder as a Keras layer."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("undertone")
class Positions(keras.layers.Layer):
    """Adds a stored vector for each place in time.

    Parameters
    ----------
    count : int
        Places that have one.
    """

    def __init__(self, count: int, **others: Any) -> None:
        super().__init__(**others)
        self.count = count

    def build(self, shape: tuple[int, ...]) -> None:
        """Make the table."""
        self.table = self.add_weight(shape=(self.count, shape[-1]), name="table")

    def call(self, x: Any) -> Any:
        """Add to (batch, time, width)."""
        return x + self.table[: ops.shape(x)[1]]

    def get_config(self) -> dict[str, Any]:
        """Return what makes it again."""
        return super().get_config() | {"count": self.count}

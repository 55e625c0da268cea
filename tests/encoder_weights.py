"""Weights of an encoder drawn by chance, under the names of the pretrained ones."""

from pathlib import Path

import numpy as np

WIDTH, MELS, POSITIONS = 512, 80, 750


def draw_weights(blocks: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw weights of about the size that keeps what goes through at the same size."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int, scale: float) -> np.ndarray:
        return (scale * rng.standard_normal(shape)).astype(np.float16)

    def linear(place: str, ends: int, starts: int) -> dict[str, np.ndarray]:
        return {
            f"{place}/weight": normal(ends, starts, scale=starts**-0.5),
            f"{place}/bias": normal(ends, scale=0.1),
        }

    def norm(place: str) -> dict[str, np.ndarray]:
        return {
            f"{place}/gamma": 1 + normal(WIDTH, scale=0.2),
            f"{place}/beta": normal(WIDTH, scale=0.2),
        }

    made = {"position_encodings/encodings": normal(POSITIONS, WIDTH, scale=0.5)}
    for name, width in (("conv1", MELS), ("conv2", WIDTH)):
        made[f"{name}/weight"] = normal(WIDTH, width, 3, scale=(3 * width) ** -0.5)
        made[f"{name}/bias"] = normal(WIDTH, scale=0.1)
    for number in range(blocks):
        attention, mlp = f"layer_{number}/self_attention", f"layer_{number}/ffn"
        made |= norm(f"{attention}/layer_norm") | norm(f"{mlp}/layer_norm")
        made |= linear(f"{attention}/linear_0", 3 * WIDTH, WIDTH)
        made |= linear(f"{attention}/linear_1", WIDTH, WIDTH)
        made |= linear(f"{mlp}/linear_0", 4 * WIDTH, WIDTH)
        made |= linear(f"{mlp}/linear_1", WIDTH, 4 * WIDTH)
    return made


def write_weights(path: Path, blocks: int) -> Path:
    np.savez(path, **draw_weights(blocks))
    return path

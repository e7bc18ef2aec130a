"""What a diffusion model costs: memory by how it is placed, time by how often its transformer runs.

Figures are for 720p and 81 frames on one H200 in bfloat16. Time is FLOPs (2 a parameter and token, and
attention) over 350 to 645 TFLOP/s. The memory beside the weights is an estimate, not measured.
"""

from __future__ import annotations

from dataclasses import dataclass

from sparkle.generation.requirements import GIGABYTE, Span


@dataclass(frozen=True)
class Costs:
    """What a model costs.

    Args:
        weights: Of all parts, GB.
        largest: Of the largest part, GB.
        working: Beside the weights at its peak, GB.
        run: Seconds that a transformer runs once.
        around: Seconds of text encoder and autoencoder, a sample.
    """

    weights: float
    largest: float
    working: float
    run: Span
    around: Span

    def vram_bytes(self, *, offload: str, dtype: str) -> int:
        """Peak memory of the device, by what leaves it."""
        held = {"none": self.weights, "model": self.largest, "sequential": 0.0}[offload]
        width = 2 if dtype == "float32" else 1
        return int((held * width + self.working) * GIGABYTE)

    def seconds(self, *, steps: int, guided: bool) -> Span:
        """Of a sample; guidance runs the transformer twice a step."""
        return self.run.times(steps * (2 if guided else 1)).plus(self.around)


FLUX2_KLEIN = Costs(34, 18, 4, Span(0.2, 0.4), Span(0.1, 0.2))  # 7,700 tokens: picture, reference, words
WAN_I2V = Costs(71, 29, 15, Span(10.5, 19), Span(15, 18))  # 75,600 tokens
WAN_FUN_CONTROL = Costs(
    71, 29, 15, Span(11, 20), Span(25, 26)
)  # a frame of tokens and a video to encode more
WAN_VACE = Costs(84, 35, 15, Span(13, 24), Span(30, 32))  # 8 blocks of control beside 40

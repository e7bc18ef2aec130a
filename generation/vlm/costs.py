"""What a VLM's jobs cost: seconds a sample of Qwen3-VL-32B in bfloat16 on one H200, for `Requirements`.

Noted are 2.5 for flow and camera check, 3.4 for grounding, removal and its score, and 2.7 for 11 frames; what
is left of the first two without the others is split by the pictures and words of the jobs.
"""

from __future__ import annotations

from sparkle.generation.requirements import Span

VLM_SECONDS = {
    "camera": Span(1.5, 1.5),  # eight small frames and a reasoning
    "compose": Span(0.7, 0.7),  # one frame and an instruction of a hundred words
    "ground1": Span(0.5, 0.5),  # two frames and a few boxes
    "ground2": Span(2.7, 2.7),
}

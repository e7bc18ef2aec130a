"""Schedules of noise: Wan's own, and that of the LightX2V distillation.

LightX2V's few steps are Euler's at sigmas that start from `linspace(1, 0, steps + 1)` and are shifted; four
steps at shift 5 are 1, .9375, .8333, .625, 0: two above Wan's boundary of .9 and two below. The stock Euler
scheduler ends at its smallest trained sigma instead: 1, .91, .72, .024.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler


class LightX2VScheduler(FlowMatchEulerDiscreteScheduler):  # type: ignore[misc]  # untyped
    """Euler's steps at LightX2V's sigmas."""

    def set_timesteps(
        self, num_inference_steps: int | None = None, device: Any = None, **options: Any
    ) -> None:
        """Return the sigmas of a number of steps, as pipelines ask for them."""
        if num_inference_steps is None:
            raise ValueError("the number of steps decides the sigmas")
        sigmas = np.linspace(1.0, 0.0, num_inference_steps + 1)[:-1]
        super().set_timesteps(num_inference_steps, device=device, sigmas=sigmas, **options)


def wan_schedule(shift: float) -> Any:
    """Wan's own schedule.

    Args:
        shift: How much of the steps are spent at high noise; 5 for 720p, 3 for 480p (Wan's card).
    """
    return UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift, num_train_timesteps=1000
    )


def lightx2v_schedule(shift: float) -> Any:
    """LightX2V's schedule; its shift is 5."""
    return LightX2VScheduler(shift=shift)

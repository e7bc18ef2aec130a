"""Pixels: decoding, encoding, masks, and what can be measured of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# What arrays hold; their shapes are said where they are used.
Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

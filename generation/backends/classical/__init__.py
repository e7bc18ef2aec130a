"""Classical perception for the CPU backend: NumPy and OpenCV only, no neural model.

- `camera` tells a fixed camera from a moving one;
- `activity` measures how much every pixel changes once the light is corrected for;
- `subject` finds the boxes of what moves, `segment` the silhouette in a box;
- `propagate` carries a silhouette through the clip along optical flow, `upsample` takes it to full size.

Every function is deterministic: the same frames give the same bytes with one or two OpenCV threads on one
kind of CPU. Another SIMD width may round the optical flow differently.
"""

"""The CPU backends: NumPy and OpenCV only, no neural model.

Every function is deterministic: the same frames give the same bytes with one or two OpenCV threads on one
kind of CPU. Another SIMD width may round the optical flow differently.
"""

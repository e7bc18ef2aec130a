"""Backends that know the subject by U2-Net-p, a small network for salient objects, besides its motion.

They are the classical ones with maps: what stands out on some frames, also where it does not move.
"""

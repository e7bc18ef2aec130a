"""Diffusion models through diffusers: editing a picture, bringing it to life, following edges.

Modules that subclass torch or diffusers (`fun_control`, `schedule`) import them at their top; they are
imported when a backend is set up.
"""

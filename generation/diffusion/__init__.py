"""What the diffusion backends share: loading and placing, schedules, sizes, frames, Wan's conditioning.

Modules that define classes of torch and diffusers (`fun_control`, `schedule`) import them at their top; they
are imported when a backend is set up.
"""

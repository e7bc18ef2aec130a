"""What the diffusion backends share: loading and placing, schedules, sizes, frames, Wan's conditioning.

Modules that define classes of torch and diffusers (`fun_control`, `schedule`) import them at their top; they
are imported when a backend is set up.

Backends of the capability `image_editor`: a new background, the foreground removed.

Backends of the capability `image_to_video`: a picture brought to life.

Backends of the capability `control_to_video`: the edited video from its guidance.
"""

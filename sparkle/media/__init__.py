"""Floor 2, pixels: video files, frames, images, masks, measures and drawn clips; imports only schemas."""

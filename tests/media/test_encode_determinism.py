"""The bytes of a video do not depend on what the process did before."""

import numpy as np
import pytest

from drawn_clips.synthetic import draw_clip
from sparkle.media.decode import decode
from sparkle.media.encode import Encoding, LineArt, encode

pytestmark = pytest.mark.slow


def sparse_lines(count: int) -> list[np.ndarray]:
    """Frames of thin moving lines on black, as edges are: the hardest case for x264's lookahead."""
    rng = np.random.default_rng(0)
    lines = rng.integers(0, 2**31, (192, 320)) % 23 == 0
    return [np.roll(lines, (k % 5, k), axis=(0, 1)).astype(np.uint8) * 255 for k in range(count)]


@pytest.mark.parametrize("encoding", [Encoding(), LineArt(crf=44)], ids=["pictures", "lines"])
def test_bytes_do_not_depend_on_the_state_of_the_heap(tmp_path, encoding):
    frames, made = sparse_lines(25), set()
    draw_clip(tmp_path / "other.mp4", seed=1, width=320, height=192, frames=17)
    for turn in range(4):
        encode(frames, tmp_path / "video.mp4", encoding=encoding)
        made.add((tmp_path / "video.mp4").read_bytes())
        # Decoding and encoding something else in between leaves other bytes in freed memory.
        other = decode(tmp_path / "other.mp4")
        encode(frames, tmp_path / "video.mp4", encoding=encoding)
        made.add((tmp_path / "video.mp4").read_bytes())
        encode(other + np.uint8(turn), tmp_path / "scratch.mp4")
    assert len(made) == 1

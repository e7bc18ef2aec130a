import numpy as np
import pytest

from drawn_clips.sheet import contact_sheet
from drawn_clips.synthetic import draw_clip
from sparkle.media.decode import decode
from sparkle.media.encode import Encoding, encode
from sparkle.media.mask import save_mask
from sparkle.media.probe import perceptual_hash


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A drawn clip with its mask on disk."""
    folder = tmp_path_factory.mktemp("sheet")
    masks = draw_clip(folder / "clip.mp4", seed=0, width=320, height=192, frames=17)
    save_mask(folder / "mask.npz", masks)
    return folder


def test_a_sheet_shows_every_view_and_the_words(clip):
    paths = (clip / "clip.mp4", clip / "clip.mp4", clip / "mask.npz", clip / "clip.mp4")
    sheet = contact_sheet(*paths, title="Sparkle_location_000000", prompt="A beach ☃ " * 30)
    other = contact_sheet(*paths, title="Sparkle_location_000000", prompt="A forest.")
    source, _, overlay, _ = np.split(sheet[-192:, :1292], [324, 648, 972], axis=1)
    assert sheet.shape[1] == 4 * 320 + 3 * 4
    assert sheet.shape[0] > other.shape[0]
    changed = np.abs(source[:, :320].astype(int) - overlay[:, :320]).max(axis=2) > 8
    last = decode(clip / "clip.mp4")[-1]
    assert np.abs(source[:, :320].astype(int) - last).mean() < 1
    assert 0.05 < changed.mean() < 0.6


def hamming(first: str, second: str) -> int:
    return (int(first, 16) ^ int(second, 16)).bit_count()


def test_near_duplicates_are_near_and_others_are_not(clip, tmp_path):
    frames = decode(clip / "clip.mp4")
    encode(frames, tmp_path / "coarse.mp4", encoding=Encoding(crf=35))
    encode(np.minimum(frames.astype(int) + 12, 255).astype(np.uint8), tmp_path / "brighter.mp4")
    draw_clip(tmp_path / "other.mp4", seed=1, width=320, height=192, frames=17)
    original = perceptual_hash(clip / "clip.mp4")
    assert len(original) == 16
    for near in ("coarse", "brighter"):
        assert hamming(original, perceptual_hash(tmp_path / f"{near}.mp4")) <= 8
    assert hamming(original, perceptual_hash(tmp_path / "other.mp4")) > 12

import numpy as np
import pytest

from drawn_clips.sheet import contact_sheet
from drawn_clips.synthetic import draw_clip
from sparkle.media.decode import decode
from sparkle.media.mask import save_mask


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

"""What a reviewer does with a page and sees on it: playwright's page, and words for what tests do with it."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.media.encode import encode
from sparkle.media.images import write_png
from sparkle.media.mask import save_mask
from sparkle.schemas import layout
from sparkle.schemas.ids import format_id

Image = npt.NDArray[np.uint8]

# --- frames that say which they are -----------------------------------------------------------

WIDTH, HEIGHT, FRAMES, BITS = 320, 192, 49, 6
SOURCE_COLOUR, EDITED_COLOUR, BACKGROUND_COLOUR = (150, 60, 40), (40, 60, 150), (40, 140, 60)
MASKED = (slice(96, 160), slice(80, 240))  # rows and columns that the mask covers


def coded(index: int, colour: tuple[int, int, int]) -> Image:
    """A frame of a colour whose upper half has the bits of its number as black and white bars."""
    frame = np.full((HEIGHT, WIDTH, 3), colour, np.uint8)
    for bit in range(BITS):
        frame[16:80, 10 + 50 * bit : 50 + 50 * bit] = 255 if index >> bit & 1 else 0
    return frame


def read_code(picture: Image) -> int:
    """The number of a coded frame, of any size."""
    small = cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    bars = (small[30:70, 25 + 50 * bit : 35 + 50 * bit] for bit in range(BITS))
    return sum(int(bar.mean() > 127) << bit for bit, bar in enumerate(bars))


def write_upstream(folder: Path, count: int) -> None:
    """A folder in upstream's layout whose clips are coded; of the second sample there are only the videos."""
    prompts = []
    for index in range(count):
        sample_id = format_id("location", index)
        for kind, colour in (
            (layout.SOURCE_VIDEO, SOURCE_COLOUR),
            (layout.EDITED_VIDEO, EDITED_COLOUR),
            (layout.BACKGROUND_VIDEO, BACKGROUND_COLOUR),
        ):
            if index != 1 or not kind.intermediate:
                path = folder / kind.path(sample_id)
                path.parent.mkdir(parents=True, exist_ok=True)
                encode((coded(frame, colour) for frame in range(FRAMES)), path)
        if index != 1:
            mask = folder / layout.SOURCE_VIDEO_MASK.path(sample_id)
            still = folder / layout.EDITED_FRAME0.path(sample_id)
            for path in (mask, still):
                path.parent.mkdir(parents=True, exist_ok=True)
            masks = np.zeros((FRAMES, HEIGHT, WIDTH), bool)
            masks[:, MASKED[0], MASKED[1]] = True
            save_mask(mask, masks)
            write_png(still, coded(0, EDITED_COLOUR))
        pair = (kind.path(sample_id) for kind in (layout.SOURCE_VIDEO, layout.EDITED_VIDEO))
        prompts.append((f"Make it number {index}.", *pair, sample_id))
    table = folder / layout.prompts_csv("location")
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("prompt", "src_video", "tgt_video", "task"), *prompts])


# --- a reviewer -------------------------------------------------------------------------------


class Reviewer:
    """A page that is open."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.keyboard = page.keyboard

    def ids(self) -> list[str]:
        """What the grid shows, in its order."""
        found: list[str] = self.page.evaluate("SPARKLE.grid.shown().map((sample) => sample.id)")
        return found

    def chip(self, name: str) -> Any:
        """A filter that is pressed."""
        return self.page.locator("#filters .chip", has_text=name)

    def open_first(self) -> None:
        """Open the first sample of the grid."""
        self.page.locator(".card__link").first.click()
        self.wait_for_video()

    def leave(self) -> None:
        """Go back to the grid."""
        self.keyboard.press("Escape")
        self.page.wait_for_selector(".detail[open]", state="detached")

    def until(self, expression: str) -> None:
        """Wait until an expression is true; playwright's own way is refused by the page's policy."""
        end = time.monotonic() + 120
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, expression
            self.page.wait_for_timeout(20)

    def wait_for_video(self) -> None:
        """Wait until the open sample shows a frame."""
        self.page.wait_for_selector(".detail[open]")
        self.until("SPARKLE.detail.stage().media?.ready")

    def stage(self, expression: str) -> Any:
        """Something of the stage."""
        return self.page.evaluate(f"SPARKLE.detail.stage().{expression}")

    def at_frame(self, wanted: int) -> None:
        """Wait until a frame is shown."""
        self.until(f"SPARKLE.detail.stage().frame === {wanted}")

    def seek(self, target: int) -> None:
        """Pause at a frame."""
        self.stage("video().pause()")
        self.stage(f"seek({target})")
        self.at_frame(target)

    def shot(self, selector: str = ".stage__canvas") -> Image:
        """What is seen of an element, uint8 (H, W, 3) RGB."""
        data = np.frombuffer(self.page.locator(selector).screenshot(), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert image is not None
        return np.ascontiguousarray(image[..., ::-1], np.uint8)

    def numbers(self) -> tuple[int, int]:
        """The numbers of the coded frames that are seen side by side."""
        picture = self.shot()
        middle, gap = picture.shape[1] // 2, 4
        return read_code(picture[:, : middle - gap]), read_code(picture[:, middle + gap :])

    def save(self, folder: Path) -> Path:
        """Save the verdicts, as Ann where the page asks for a name; gives the file."""
        asks = self.page.evaluate("SPARKLE.verdicts.reviewer() === null")
        with self.page.expect_download() as download:
            self.page.locator("#save").click()
            if asks:
                self.page.locator("#ask input").fill("Ann")
                self.page.locator("#ask").get_by_role("button", name="Save verdicts").click()
        target = folder / "verdicts.jsonl"
        download.value.save_as(target)
        return target

/* What a frame looks like: tiles of the sheet, wipe, difference, mask and boxes, on a 2D canvas.

   Pixels of a page on a disk may be drawn but not read, so the mask becomes a tint by blending alone. */
'use strict';

{
  const TINT = [236, 72, 153]; // a pink that no scene has much of
  const SHARE = 0.55;
  const HUES = [190, 45, 320, 110, 260, 15, 80, 220];
  const scratch = [document.createElement('canvas'), document.createElement('canvas')];

  /** Draws a picture of a sample into a rectangle. `view` is a kind of artifact. */
  function drawView(context, media, view, box) {
    const { clip } = media;
    const track = clip.tracks.indexOf(view);
    const still = clip.stills.indexOf(view);
    if (track >= 0 && media.ready) {
      const [left, top] = [(track % 2) * clip.width, Math.floor(track / 2) * clip.height];
      // A pixel less on every side: codec and scaling mix the edges of neighbouring tiles.
      context.drawImage(media.sheet, left + 1, top + 1, clip.width - 2, clip.height - 2, ...box);
    } else if (track >= 0 && track < 2 && media.poster.complete && media.poster.naturalWidth) { // until the video is there
      const half = media.poster.naturalWidth / 2;
      context.drawImage(media.poster, view === 'edited_video' ? half : 0, 0, half, media.poster.naturalHeight, ...box);
    } else if (still >= 0 && media.stills?.complete && media.stills.naturalWidth) {
      context.drawImage(media.stills, still * clip.width, 0, clip.width, clip.height, ...box);
    } else {
      context.fillStyle = '#18181b';
      context.fillRect(...box);
    }
  }

  /** Tints what the mask covers: `picture * (1 - share * mask) + tint * share * mask`. */
  function drawMask(context, media, box) {
    const { clip } = media;
    if (!media.ready || !clip.tracks.includes('source_video_mask')) return;
    const whole = [0, 0, clip.width, clip.height];
    const [light, dark] = scratch.map((canvas) => {
      if (canvas.width !== clip.width || canvas.height !== clip.height) [canvas.width, canvas.height] = [clip.width, clip.height];
      const ink = canvas.getContext('2d');
      ink.globalCompositeOperation = 'source-over';
      drawView(ink, media, 'source_video_mask', whole);
      return ink;
    });
    fill(light, 'multiply', TINT.map((level) => level * SHARE), whole);
    fill(dark, 'multiply', [255 * SHARE, 255 * SHARE, 255 * SHARE], whole);
    fill(dark, 'difference', [255, 255, 255], whole);
    context.globalCompositeOperation = 'multiply';
    context.drawImage(dark.canvas, ...box);
    context.globalCompositeOperation = 'lighter';
    context.drawImage(light.canvas, ...box);
    context.globalCompositeOperation = 'source-over';
  }

  function fill(ink, operation, levels, box) {
    ink.globalCompositeOperation = operation;
    ink.fillStyle = `rgb(${levels.map(Math.round).join(' ')})`;
    ink.fillRect(...box);
  }

  /** Labelled boxes in thousandths of the frame; `exact` is false between the frames that they were found on. */
  function drawBoxes(context, boxes, labels, exact, box) {
    const [left, top, width, height] = box;
    context.save();
    context.beginPath();
    context.rect(...box);
    context.clip();
    context.font = '600 12px system-ui, sans-serif';
    context.textBaseline = 'top';
    for (const { box: corners, label } of boxes) {
      if (corners.length !== 4) continue;
      const [x, y] = [left + (corners[0] / 1000) * width, top + (corners[1] / 1000) * height];
      const [right, bottom] = [left + (corners[2] / 1000) * width, top + (corners[3] / 1000) * height];
      const hue = HUES[Math.max(0, labels.indexOf(label)) % HUES.length];
      context.setLineDash(exact ? [] : [6, 5]);
      context.lineWidth = 4;
      context.strokeStyle = 'rgb(0 0 0 / 55%)';
      context.strokeRect(x, y, right - x, bottom - y);
      context.lineWidth = 2;
      context.strokeStyle = `hsl(${hue} 95% 62%)`;
      context.strokeRect(x, y, right - x, bottom - y);
      const [across, at] = [context.measureText(label).width + 10, Math.max(top, y - 19)];
      const from = Math.max(left, Math.min(x - 1, left + width - across));
      context.fillStyle = `hsl(${hue} 95% 62%)`;
      context.fillRect(from, at, across, 18);
      context.fillStyle = '#111';
      context.fillText(label, from + 5, at + 3);
    }
    context.restore();
  }

  function drawName(context, name, x, y, alignRight) {
    context.font = '600 12px system-ui, sans-serif';
    context.textBaseline = 'middle';
    const width = context.measureText(name).width + 16;
    const left = alignRight ? x - width : x;
    context.fillStyle = 'rgb(0 0 0 / 58%)';
    context.beginPath();
    context.roundRect(left, y, width, 22, 6);
    context.fill();
    context.fillStyle = '#fff';
    context.fillText(name, left + 8, y + 11.5);
  }

  /** Where panes go in a space: two stacked, two side by side (stacked where that shows much more), else one. */
  function layOut(width, height, ratio, mode, gap) {
    const one = Math.min(width, height * ratio);
    if (mode !== 'side' && mode !== 'stack') return { size: [one, one / ratio], panes: [[0, 0, one, one / ratio]] };
    const beside = Math.min((width - gap) / 2, height * ratio);
    const below = Math.min(width, ((height - gap) / 2) * ratio);
    const side = mode === 'side' && below < 1.35 * beside;
    const across = side ? beside : below;
    const down = across / ratio;
    return side
      ? { size: [2 * across + gap, down], panes: [[0, 0, across, down], [across + gap, 0, across, down]] }
      : { size: [across, 2 * down + gap], panes: [[0, 0, across, down], [0, down + gap, across, down]] };
  }

  /** Amplifies what two pictures differ by; `shown` is the part of the canvas that is seen of them. */
  function drawDifference(context, media, views, box, shown) {
    drawView(context, media, views[0], box);
    context.globalCompositeOperation = 'difference';
    drawView(context, media, views[1], box);
    context.globalCompositeOperation = 'lighter';
    for (let doubled = 0; doubled < 2; doubled += 1) context.drawImage(context.canvas, ...shown);
    context.globalCompositeOperation = 'source-over';
  }

  SPARKLE.picture = { drawView, drawMask, drawBoxes, drawName, drawDifference, layOut };
}

/* Plays one sample. Everything that is compared is a tile of one video, so it is in step by construction:
   whenever the browser shows another frame, that frame is copied once, whole, and all that is seen is drawn
   from the copy (the video may go on between two drawings). */
'use strict';

{
  const { h, data, picture } = SPARKLE;
  const GAP = 8; // px between panes
  const UNTOLD = 150; // ms after a seek: a frame that was on the screen already is not told again
  const nameOf = (kind) => data.views.find((view) => view.kind === kind).name;

  const MOST_ZOOM = 16;
  const SWIPE = 60; // px
  const NEAR = 30; // px from the wipe's handle

  /**
   * @param {HTMLElement} place where the stage goes
   * @param {() => void} onFrame called when another frame is shown, or playing begins or ends
   * @param {(by: number) => void} onSwipe called when a finger wipes over the whole picture
   */
  function makeStage(place, onFrame, onSwipe) {
    const canvas = h('canvas', { class: 'stage__canvas', role: 'img' });
    const handle = h('div', { class: 'stage__handle', 'aria-hidden': 'true' });
    const wipe = h('input', { type: 'range', class: 'stage__wipe', min: 0, max: 100, step: 0.5, value: 50, 'aria-label': 'Wipe: how much of the left picture is shown' });
    const pool = h('div', { class: 'stage__pool', 'aria-hidden': 'true' }); // videos must be in the document to decode
    const frame = h('div', { class: 'stage__frame' }, canvas, handle, wipe);
    place.append(frame, pool);

    const stage = {
      mode: 'side', left: 'source_video', right: 'edited_video', mask: false, boxes: 'off', speed: 1,
      details: {}, zoom: { scale: 1, x: 0.5, y: 0.5 }, frame: 0, media: null, thumbs: [], video: () => stage.media?.video,
    };
    const ready = new Map(); // sample id -> media: the one that is shown and the one that comes next
    let aim = null; // the frame that was asked for and is not shown yet
    let panes = [];

    // --- media
    function load(sample) {
      const found = ready.get(sample.id);
      if (found) return found;
      const { clip, media: stem } = sample;
      const media = { sample, clip, ready: false, sheet: document.createElement('canvas'), poster: new Image(), stills: null };
      media.poster.src = `${stem}.webp`;
      media.video = h('video', { muted: true, loop: true, playsInline: true, disablePictureInPicture: true, preload: 'auto', src: `${stem}.mp4`, tabIndex: -1 });
      pool.append(media.video);
      if (clip.stills.length) {
        media.stills = new Image();
        media.stills.src = `${stem}.stills.webp`;
      }
      for (const image of [media.poster, media.stills]) if (image) image.onload = () => stage.media === media && draw();
      listen(media);
      ready.set(sample.id, media);
      return media;
    }

    function listen(media) {
      const { video } = media;
      const shown = (time) => {
        if (!video.videoWidth) return; // nothing has arrived yet
        if (!media.ready) [media.sheet.width, media.sheet.height] = [video.videoWidth, video.videoHeight];
        media.sheet.getContext('2d').drawImage(video, 0, 0);
        media.ready = true;
        if (stage.media !== media) return;
        stage.frame = Math.max(0, Math.min(media.clip.frames - 1, Math.round(time * media.clip.fps)));
        if (stage.frame === aim) aim = null;
        draw();
        onFrame();
      };
      const now = () => shown(Math.floor(video.currentTime * media.clip.fps + 1e-3) / media.clip.fps);
      if (video.requestVideoFrameCallback) {
        const next = (_, { mediaTime }) => { shown(mediaTime); video.requestVideoFrameCallback(next); };
        video.requestVideoFrameCallback(next);
      } else {
        const tick = () => { if (!video.paused) { now(); requestAnimationFrame(tick); } };
        video.addEventListener('play', tick);
        video.addEventListener('seeked', now);
        video.addEventListener('loadeddata', now);
      }
      video.addEventListener('seeked', () => {
        if (aim === null || stage.media !== media) return;
        if (Math.floor(video.currentTime * media.clip.fps) !== aim) seek(aim); // another one was asked for meanwhile
        else if (!video.paused) aim = null; // it plays on from there
        else setTimeout(() => { if (aim !== null && stage.media === media && !video.seeking) now(); }, UNTOLD);
      });
      for (const name of ['play', 'pause']) video.addEventListener(name, () => stage.media === media && onFrame());
      video.addEventListener('error', () => {
        if (stage.media === media && video.getAttribute('src')) SPARKLE.toast(`The video of ${media.sample.id} cannot be played`, 'bad');
      });
    }

    function release(media) {
      media.video.removeAttribute('src');
      media.video.load();
      media.video.remove();
      ready.delete(media.sample.id);
    }

    /** Show a sample, and get the next one ready. */
    function open(sample, next, play) {
      const media = sample.media ? load(sample) : null;
      stage.media?.video.pause();
      [stage.media, stage.details, stage.frame, aim] = [media, {}, 0, null];
      zoomTo(1);
      if (next?.media) load(next);
      for (const other of [...ready.values()]) if (other !== media && other.sample !== next) release(other);
      if (!media) return;
      media.video.playbackRate = stage.speed;
      if (play) media.video.play().catch(() => {});
      resize();
      onFrame();
    }

    function close() {
      stage.media = null;
      for (const media of [...ready.values()]) release(media);
    }

    // --- time
    function seek(target) {
      const { media } = stage;
      if (!media) return;
      aim = Math.max(0, Math.min(media.clip.frames - 1, target));
      if (media.video.seeking) return; // one seek at a time; the last that was asked for follows
      media.video.currentTime = (aim + 0.5) / media.clip.fps; // the middle of a frame: no rounding misses it
    }

    function step(by) {
      stage.video()?.pause();
      seek((aim ?? stage.frame) + by);
    }

    function toggle() {
      const video = stage.video();
      if (!video) return;
      aim = null;
      if (video.paused) video.play().catch(() => {});
      else video.pause();
    }

    function setSpeed(speed) {
      stage.speed = speed;
      if (stage.media) stage.media.video.playbackRate = speed;
    }

    // --- pictures
    const has = (kind) => Boolean(stage.media) && (stage.media.clip.tracks.includes(kind) || stage.media.clip.stills.includes(kind));
    const INSTEAD = [['source_video'], ['edited_video', 'edited_frame0', 'edited_background_video']]; // of what a sample lacks
    const views = () => [stage.left, stage.right].map((kind, index) => [kind, ...INSTEAD[index]].find(has) || INSTEAD[index][0]);

    function resize() {
      const { media } = stage;
      if (!media) return;
      const room = place.getBoundingClientRect();
      const limit = Math.max(160, Number.parseFloat(getComputedStyle(place).maxHeight) || room.height);
      const found = picture.layOut(room.width, limit, media.clip.width / media.clip.height, views().every(has) ? stage.mode : 'alone', GAP);
      const scale = Math.min(devicePixelRatio || 1, 2);
      panes = found.panes;
      [canvas.width, canvas.height] = found.size.map((length) => Math.max(1, Math.round(length * scale)));
      [frame.style.width, frame.style.height] = found.size.map((length) => `${length}px`);
      canvas.getContext('2d').setTransform(scale, 0, 0, scale, 0, 0);
      draw();
    }

    function boxesNow() {
      const { round1 = [], round2 = [] } = stage.details;
      if (stage.boxes === 'round1') return { boxes: round1, exact: stage.frame === 0 };
      if (stage.boxes !== 'round2' || !round2.length) return { boxes: [], exact: false };
      const anchor = Math.min(round2.length - 1, Math.floor(stage.frame / SPARKLE.ANCHOR_EVERY));
      return { boxes: round2[anchor], exact: stage.frame === anchor * SPARKLE.ANCHOR_EVERY };
    }

    /** Where the whole picture lies when a pane shows a part of it. */
    function zoomed([left, top, width, height]) {
      const { scale, x, y } = stage.zoom;
      return [left + width * (0.5 - x * scale), top + height * (0.5 - y * scale), width * scale, height * scale];
    }

    function drawPane(context, view, pane) {
      const box = zoomed(pane);
      context.save();
      context.beginPath();
      context.rect(...pane);
      context.clip();
      picture.drawView(context, stage.media, view, box);
      if (stage.mask && view !== 'source_video_mask') picture.drawMask(context, stage.media, box);
      const { boxes, exact } = boxesNow();
      picture.drawBoxes(context, boxes, (stage.details.round1 || []).map(({ label }) => label), exact, box);
      context.restore();
    }

    function draw() {
      if (!stage.media || !panes.length) return;
      const context = canvas.getContext('2d');
      const [left, right] = views();
      const both = [left, right].every(has);
      const [first, second] = panes;
      context.imageSmoothingQuality = 'high';
      context.clearRect(0, 0, canvas.width, canvas.height);
      if (second) {
        drawPane(context, left, first);
        drawPane(context, right, second);
        picture.drawName(context, nameOf(left), first[0] + 8, first[1] + 8);
        picture.drawName(context, nameOf(right), second[0] + 8, second[1] + 8);
      } else if (stage.mode === 'difference' && both) {
        picture.drawDifference(context, stage.media, [left, right], zoomed(first), first);
        picture.drawName(context, `${nameOf(left)} − ${nameOf(right)}, ×4`, 8, 8);
      } else if (!both) {
        drawPane(context, has(left) ? left : right, first);
        picture.drawName(context, `${nameOf(has(left) ? left : right)}; nothing else was made`, 8, 8);
      } else {
        drawWipe(context, left, right, first);
      }
      handle.hidden = wipe.hidden = stage.mode !== 'wipe' || !both;
      for (const { kind, context: thumb } of stage.thumbs) picture.drawView(thumb, stage.media, kind, [0, 0, thumb.canvas.width, thumb.canvas.height]);
      canvas.setAttribute('aria-label', `${nameOf(left)} and ${nameOf(right)}${stage.media.video.paused ? `, frame ${stage.frame + 1}` : ''}`);
    }

    function drawWipe(context, left, right, box) {
      const at = (Number(wipe.value) / 100) * box[2];
      drawPane(context, left, box);
      context.save();
      context.beginPath();
      context.rect(at, 0, box[2] - at, box[3]);
      context.clip();
      drawPane(context, right, box);
      context.restore();
      picture.drawName(context, nameOf(left), 8, 8);
      picture.drawName(context, nameOf(right), box[2] - 8, 8, true);
      handle.style.left = `${at}px`;
    }

    // --- zoom: the same part of every picture
    /** Zoom; the point of the picture that is seen at (u, v) of a pane, each 0 to 1, stays there. */
    function zoomTo(scale, u = 0.5, v = 0.5) {
      const before = stage.zoom;
      const next = Math.max(1, Math.min(MOST_ZOOM, scale));
      moveTo(next, before.x + (u - 0.5) * (1 / before.scale - 1 / next), before.y + (v - 0.5) * (1 / before.scale - 1 / next));
    }

    function moveTo(scale, x, y) {
      const half = 0.5 / scale;
      const inside = (value) => Math.max(half, Math.min(1 - half, value));
      stage.zoom = { scale, x: inside(x), y: inside(y) };
      frame.classList.toggle('is-zoomed', scale > 1);
      draw();
    }

    /** Where an event is in its pane, 0 to 1. */
    function within(event) {
      const { left, top } = canvas.getBoundingClientRect();
      const [x, y] = [event.clientX - left, event.clientY - top];
      const pane = panes.find((one) => x >= one[0] && x < one[0] + one[2] && y >= one[1] && y < one[1] + one[3]) || panes[0];
      return [(x - pane[0]) / pane[2], (y - pane[1]) / pane[3]];
    }

    // --- pointers: drag to move or to wipe, two fingers to zoom, one to go to another sample
    const fingers = new Map(); // pointer -> its last event
    let drag = null;

    function down(event) {
      if (event.button > 0 || !panes.length) return;
      frame.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, event);
      const at = canvas.getBoundingClientRect().left + (stage.wipe() / 100) * panes[0][2];
      const wipes = stage.mode === 'wipe' && (stage.zoom.scale === 1 || Math.abs(event.clientX - at) < NEAR);
      drag = { start: event, kind: fingers.size > 1 ? 'pinch' : wipes ? 'wipe' : stage.zoom.scale > 1 ? 'pan' : 'swipe' };
      if (drag.kind === 'wipe') wipeTo(event);
    }

    function wipeTo(event) {
      stage.setWipe(within(event)[0] * 100);
    }

    function move(event) {
      const last = fingers.get(event.pointerId);
      if (!last || !drag) return;
      const other = [...fingers.entries()].find(([id]) => id !== event.pointerId)?.[1];
      fingers.set(event.pointerId, event);
      if (drag.kind === 'wipe') wipeTo(event);
      else if (drag.kind === 'pinch' && other) {
        const far = (one) => Math.max(1, Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY));
        zoomTo((stage.zoom.scale * far(event)) / far(last), ...within(other));
      } else if (drag.kind === 'pan') {
        const { scale, x, y } = stage.zoom;
        moveTo(scale, x - (event.clientX - last.clientX) / panes[0][2] / scale, y - (event.clientY - last.clientY) / panes[0][3] / scale);
      }
    }

    function up(event) {
      if (!fingers.delete(event.pointerId) || !drag) return;
      const [across, along] = [event.clientX - drag.start.clientX, event.clientY - drag.start.clientY];
      const swiped = drag.kind === 'swipe' && event.type === 'pointerup' && event.pointerType === 'touch';
      if (!fingers.size) drag = null;
      if (swiped && Math.abs(across) > SWIPE && Math.abs(across) > 2 * Math.abs(along)) onSwipe(across < 0 ? 1 : -1);
    }

    frame.onpointerdown = down;
    frame.onpointermove = move;
    frame.onpointerup = frame.onpointercancel = up;
    const scrolls = matchMedia('(max-width: 1080px)'); // there a wheel is for the page
    frame.addEventListener('wheel', (event) => {
      if (scrolls.matches && !event.ctrlKey) return;
      event.preventDefault();
      zoomTo(stage.zoom.scale * Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), ...within(event));
    }, { passive: false });
    wipe.oninput = draw;
    new ResizeObserver(resize).observe(place);

    return Object.assign(stage, {
      open, close, seek, step, toggle, setSpeed, zoomTo, draw, resize, has, views,
      setWipe(percent) { wipe.value = percent; draw(); },
      wipe: () => Number(wipe.value),
    });
  }

  SPARKLE.ANCHOR_EVERY = 8; // frames: the second grounding round looks at two a second
  SPARKLE.makeStage = makeStage;
}

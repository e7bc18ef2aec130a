/* One sample, large: the stage with its controls, what is said of the sample, the verdict. */
'use strict';

{
  const { $, h, icon, iconButton, data, verdicts, facts, setting, digitOf, calm } = SPARKLE;

  const MODES = { side: 'Side by side', stack: 'Stacked', wipe: 'Wipe', difference: 'Difference' };
  const BOXES = { off: 'No boxes', round2: 'Boxes, round 2', round1: 'Boxes, round 1' };
  const THUMB = 132; // px across
  const SPEEDS = [0.25, 0.5, 1, 2];
  const mode = setting('mode', 'side', Object.keys(MODES));
  const advance = setting('advance', 'on', ['on', 'off']);

  let dialog;
  let parts;
  let stage;
  let current = null;

  function build() {
    dialog = $('detail');
    parts = {
      id: h('h2', { id: 'detail-id', class: 'detail__id' }),
      theme: h('span'), scene: h('span', { class: 'detail__scene' }), place: h('span', { class: 'detail__place' }),
      stage: h('div', { class: 'stage', tabIndex: -1, autofocus: true }), gone: h('p', { class: 'stage__gone', hidden: true }, 'There is no video to show.'),
      time: h('input', { type: 'range', min: 0, step: 1, class: 'time', 'aria-label': 'Frame' }),
      marks: h('div', { class: 'marks', 'aria-hidden': 'true' }), clock: h('output', { class: 'clock', title: 'Frame, counted from 1' }),
      play: iconButton('play', 'Play', 'space'),
      thumbs: h('div', { class: 'thumbs', role: 'group', 'aria-label': 'What is shown on the right' }),
      ended: h('div'), promptTitle: h('h3', { class: 'first' }, 'Prompt'), prompt: h('p', { class: 'prompt' }), said: h('div', { class: 'said' }),
    };
    stage = SPARKLE.makeStage(parts.stage, showTime, (by) => move(by));
    stage.mode = mode.get();
    parts.body = h('div', { class: 'detail__body' },
      h('div', { class: 'detail__stage' }, parts.stage, parts.gone, h('div', { class: 'controls' }, transport(), tools()), parts.thumbs),
      h('aside', { class: 'detail__facts', 'aria-label': 'About this sample' }, verdictPart(), parts.ended, parts.promptTitle, parts.prompt, parts.said));
    dialog.append(head(), parts.body);
    document.addEventListener('fullscreenchange', () => { if (!document.fullscreenElement) setLarge(false); });
    dialog.addEventListener('close', closed);
    dialog.addEventListener('cancel', (event) => { event.preventDefault(); leave(); });
    verdicts.onChange((id) => { if (current && (id === null || id === current.id)) showVerdict(); });
  }

  function head() {
    const copy = iconButton('copy', 'Copy a link to this sample', null, { onclick: copyLink });
    parts.undo = iconButton('undo', 'Take back the last decision', 'z', { onclick: () => SPARKLE.undo() });
    return h('header', { class: 'detail__head' },
      iconButton('close', 'Back to all samples', 'Esc', { onclick: leave }),
      h('div', { class: 'detail__title' }, parts.id, copy, parts.theme, parts.scene),
      h('div', { class: 'detail__moves' }, parts.place, parts.undo,
        iconButton('left', 'Previous sample', '←', { onclick: () => move(-1) }),
        iconButton('right', 'Next sample', '→', { onclick: () => move(1) })));
  }

  function transport() {
    parts.play.onclick = stage.toggle;
    let playedOn = false;
    parts.time.onpointerdown = () => { playedOn = !stage.video()?.paused; stage.video()?.pause(); };
    parts.time.onchange = () => { if (playedOn) stage.toggle(); playedOn = false; };
    parts.time.oninput = () => stage.seek(Number(parts.time.value));
    parts.speed = h('select', { 'aria-label': 'Speed', onchange: (event) => stage.setSpeed(Number(event.target.value)) },
      SPEEDS.map((speed) => h('option', { value: speed, selected: speed === 1 }, `${speed}×`)));
    parts.large = iconButton('large', 'Pictures as large as they can be', 'f', { onclick: () => setLarge(!large()) });
    return h('div', { class: 'transport' },
      parts.play,
      iconButton('back', 'One frame back', ',', { onclick: () => stage.step(-1) }),
      iconButton('forth', 'One frame on', '.', { onclick: () => stage.step(1) }),
      h('div', { class: 'timeline' }, parts.time, parts.marks),
      parts.clock, parts.speed, parts.large);
  }

  function tools() {
    parts.modes = h('div', { class: 'segments', role: 'group', 'aria-label': 'How to compare' }, Object.entries(MODES).map(([value, name]) =>
      h('button', { type: 'button', data: { mode: value }, onclick: () => setMode(value) }, name)));
    const picker = (side, name) => h('select', { 'aria-label': `${name} picture`, onchange: (event) => pick(side, event.target.value) });
    [parts.left, parts.right] = [picker('left', 'Left'), picker('right', 'Right')];
    parts.mask = h('button', { type: 'button', class: 'button', title: 'Tint what the mask covers (m)', onclick: () => setMask(!stage.mask) }, 'Mask');
    parts.boxes = h('select', { 'aria-label': 'Boxes', title: 'Boxes (b)', onchange: (event) => setBoxes(event.target.value) },
      Object.entries(BOXES).map(([value, name]) => h('option', { value }, name)));
    return h('div', { class: 'tools' }, parts.modes, h('span', { class: 'versus' }, parts.left, h('span', null, 'with'), parts.right), parts.mask, parts.boxes);
  }

  function verdictPart() {
    parts.verdicts = ['keep', 'drop'].map((verdict) => h('button', {
      type: 'button', class: `button verdict verdict--${verdict}`, data: { verdict }, onclick: () => decide(verdict),
    }, icon(verdict), h('span', null, verdict === 'keep' ? 'Keep' : 'Drop'), h('kbd', { 'aria-hidden': 'true' }, verdict[0])));
    parts.note = h('textarea', { rows: 1, placeholder: 'Note (n)', 'aria-label': 'Note', maxLength: 2000, oninput: () => { verdicts.annotate(current.id, parts.note.value); grow(); } });
    parts.advance = h('input', { type: 'checkbox', checked: advance.get() === 'on', onchange: (event) => advance.set(event.target.checked ? 'on' : 'off') });
    parts.tags = verdicts.TAGS.map((tag, index) => h('button', { type: 'button', class: 'chip', title: `${tag} (${index + 1})`, data: { tag }, onclick: () => verdicts.tag(current.id, tag) },
      h('span', null, tag), h('kbd', { 'aria-hidden': 'true' }, String(index + 1))));
    parts.differ = h('p', { class: 'differ', hidden: true });
    return h('div', { class: 'decide' }, h('div', { class: 'decide__buttons' }, parts.verdicts), parts.differ,
      h('div', { class: 'decide__tags', role: 'group', 'aria-label': 'What is wrong' }, parts.tags), parts.note,
      h('label', { class: 'check' }, parts.advance, ' Next sample after a verdict'));
  }

  // --- what is shown
  function open(sample, { note = false, replace = false } = {}) {
    const next = SPARKLE.linkTo(sample.id);
    if (location.hash !== next) {
      if (replace || dialog.open) history.replaceState(null, '', next);
      else history.pushState({ inside: true }, '', next);
    }
    const play = current === null ? !calm.matches : !stage.video()?.paused || (!stage.video() && !calm.matches);
    current = sample;
    document.title = `${sample.id} · ${data.name}`;
    SPARKLE.grid.pause();
    if (!dialog.open) {
      dialog.showModal();
      parts.stage.focus();
    }
    parts.id.textContent = sample.id;
    parts.theme.className = `badge badge--${sample.theme}`;
    parts.theme.textContent = sample.theme;
    parts.scene.textContent = [sample.subtheme, sample.scene].filter(Boolean).join(' · ');
    const [shown, at] = [SPARKLE.grid.shown(), SPARKLE.grid.indexOf(sample)];
    parts.place.textContent = at < 0 ? 'not among the filtered' : `${at + 1} of ${shown.length}`;
    parts.prompt.textContent = sample.prompt || '';
    parts.promptTitle.hidden = !sample.prompt;
    parts.ended.replaceChildren(...facts.ended(sample));
    parts.gone.hidden = Boolean(sample.media);
    dialog.classList.toggle('has-no-video', !sample.media);
    if (sample.clip) parts.time.max = sample.clip.frames - 1;
    stage.open(sample, at < 0 ? null : shown[at + 1], play);
    parts.said.replaceChildren(...facts.problems(sample), ...facts.numbers(sample));
    parts.marks.replaceChildren();
    makeThumbs();
    showViews();
    showVerdict();
    showDetails(sample);
    dialog.querySelector('.detail__facts').scrollTop = 0;
    if (note) parts.note.focus();
  }

  function showDetails(sample) {
    SPARKLE.detailsOf(sample).then((details) => {
      if (current !== sample) return;
      stage.details = details;
      stage.draw();
      const seek = (frame) => { stage.video()?.pause(); stage.seek(frame); };
      parts.said.replaceChildren(...facts.problems(sample), ...facts.numbers(sample), ...facts.judges(details, sample, seek), ...facts.labels(details), ...facts.origin(sample, details));
      showViews();
      if (sample.clip) showMarks(sample.clip, details);
    }, (error) => SPARKLE.toast(error.message, 'bad'));
  }

  /** Anchors of the second grounding round, and the frames that were judged. */
  function showMarks(clip, details) {
    const mark = (kind, frame) => {
      const element = h('i', { class: `mark mark--${kind}` });
      element.style.left = `${(frame / Math.max(1, clip.frames - 1)) * 100}%`;
      return element;
    };
    parts.marks.replaceChildren(
      ...(details.round2 || []).map((_, index) => mark('anchor', index * SPARKLE.ANCHOR_EVERY)),
      ...(details.frames || []).map(({ frame }) => mark('judged', frame)));
  }

  function showTime() {
    const { media, frame } = stage;
    if (!media) return;
    const paused = media.video.paused;
    parts.time.value = frame;
    parts.time.setAttribute('aria-valuetext', `Frame ${frame + 1} of ${media.clip.frames}`);
    parts.clock.textContent = `${frame + 1} / ${media.clip.frames}`;
    const wanted = paused ? 'play' : 'pause';
    if (parts.play.dataset.icon !== wanted) {
      parts.play.dataset.icon = wanted;
      parts.play.setAttribute('aria-label', paused ? 'Play' : 'Pause');
      parts.play.querySelector('use').setAttribute('href', `#i-${wanted}`);
    }
  }

  const there = () => data.views.filter(({ kind }) => stage.has(kind));

  /** Everything that there is of the sample, small and in step. */
  function makeThumbs() {
    const { clip } = current;
    stage.thumbs = there().map(({ kind, name, key }) => {
      const canvas = h('canvas', { width: 2 * THUMB, height: Math.round((2 * THUMB * clip.height) / clip.width), 'aria-hidden': 'true' });
      const button = h('button', { type: 'button', class: 'thumb', title: `${name} (Shift ${key}; Alt ${key} on the left)`, onclick: (event) => pick(event.altKey ? 'left' : 'right', kind) }, canvas, h('span', null, name));
      return { kind, button, context: canvas.getContext('2d') };
    });
    parts.thumbs.replaceChildren(...stage.thumbs.map(({ button }) => button));
    stage.draw();
  }

  function showViews() {
    const [left, right] = stage.media ? stage.views() : [];
    for (const [select, value] of [[parts.left, left], [parts.right, right]]) {
      select.replaceChildren(...there().map(({ kind, name }) => h('option', { value: kind }, name)));
      select.value = value ?? '';
    }
    for (const button of parts.modes.children) button.setAttribute('aria-pressed', String(button.dataset.mode === stage.mode));
    for (const { kind, button } of stage.thumbs) {
      button.setAttribute('aria-pressed', String(kind === right));
      button.classList.toggle('is-left', kind === left);
    }
    const masked = stage.has('source_video_mask');
    const drawn = stage.mode !== 'difference'; // which shows neither mask nor boxes
    parts.mask.disabled = !masked || !drawn;
    parts.mask.setAttribute('aria-pressed', String(stage.mask && masked && drawn));
    parts.boxes.disabled = !drawn || (!stage.details.round1 && !stage.details.round2);
    parts.boxes.value = stage.boxes;
  }

  function showVerdict() {
    const found = verdicts.of(current.id);
    for (const button of parts.verdicts) button.setAttribute('aria-pressed', String(found?.verdict === button.dataset.verdict));
    for (const button of parts.tags) button.setAttribute('aria-pressed', String(Boolean(found?.tags?.includes(button.dataset.tag))));
    const differ = verdicts.differ(current.id);
    parts.differ.hidden = !differ;
    parts.differ.textContent = differ ? `Reviewers differ: ${differ.map(({ reviewer, verdict }) => `${reviewer || 'you'} ${verdict}`).join(', ')}. Keep or drop settles it.` : '';
    parts.undo.disabled = !verdicts.canUndo();
    dialog.dataset.verdict = found?.verdict || '';
    if (document.activeElement !== parts.note) parts.note.value = found?.note || '';
    grow();
  }

  function grow() {
    parts.note.style.height = 'auto';
    parts.note.style.height = `${parts.note.scrollHeight + 2}px`;
  }

  // --- what can be done
  function pick(side, kind) {
    if (!stage.has(kind)) return;
    stage[side] = kind;
    stage.resize();
    showViews();
  }

  const large = () => dialog.classList.contains('is-large');

  /** Give the pictures the whole screen, or take it back. */
  function setLarge(on) {
    dialog.classList.toggle('is-large', on);
    parts.large.setAttribute('aria-pressed', String(on));
    if (on) parts.body.requestFullscreen?.().catch(() => {}); // a browser may refuse: then it is the window
    else if (document.fullscreenElement) document.exitFullscreen();
    stage.resize();
  }

  function setMode(value) { stage.mode = value; mode.set(value); stage.resize(); showViews(); }
  function setMask(on) { stage.mask = on; stage.draw(); showViews(); }
  function setBoxes(value) { stage.boxes = value; stage.draw(); showViews(); }

  function decide(verdict) {
    const before = verdicts.of(current.id)?.verdict;
    verdicts.decide(current.id, verdict);
    if (verdict !== null && before !== verdict && advance.get() === 'on') move(1);
  }

  function move(by) {
    const shown = SPARKLE.grid.shown();
    const at = SPARKLE.grid.indexOf(current);
    const next = shown[at < 0 ? 0 : at + by];
    if (next) open(next);
    else SPARKLE.toast(by > 0 ? 'That was the last sample' : 'This is the first sample');
  }

  function copyLink() {
    const done = () => SPARKLE.toast('Link copied');
    const shown = () => SPARKLE.toast(location.href); // where a browser does not let pages write to the clipboard
    if (navigator.clipboard) navigator.clipboard.writeText(location.href).then(done, shown);
    else shown();
  }

  function leave() {
    if (large()) {
      setLarge(false);
      return;
    }
    dialog.close();
    if (history.state?.inside) history.back();
    else history.replaceState(null, '', SPARKLE.linkTo(''));
  }

  function closed() {
    const sample = current;
    current = null;
    stage.close();
    setLarge(false);
    document.title = `${data.name} · Sparkle preview`;
    document.body.append($('toasts'));
    SPARKLE.grid.replay();
    const at = SPARKLE.grid.indexOf(sample);
    if (at >= 0) SPARKLE.grid.focus(at);
  }

  const cycle = (values, value) => values[(values.indexOf(value) + 1) % values.length];
  const zoom = (by) => stage.zoomTo(stage.zoom.scale * by);
  const KEYS = {
    ArrowRight: () => move(1), ArrowLeft: () => move(-1), j: () => move(1),
    ' ': () => stage.toggle(), ',': () => stage.step(-1), '.': () => stage.step(1),
    Home: () => stage.seek(0), End: () => stage.seek(Infinity),
    k: () => decide('keep'), d: () => decide('drop'), u: () => decide(null), n: () => parts.note.focus(),
    f: () => setLarge(!large()), '+': () => zoom(1.5), '=': () => zoom(1.5), '-': () => zoom(1 / 1.5), 0: () => stage.zoomTo(1),
    s: () => setMode('side'), v: () => setMode('stack'), w: () => setMode('wipe'), x: () => setMode('difference'),
    m: () => stage.has('source_video_mask') && setMask(!stage.mask),
    b: () => setBoxes(cycle(Object.keys(BOXES), stage.boxes)),
    '[': () => stage.setWipe(stage.wipe() - 5), ']': () => stage.setWipe(stage.wipe() + 5),
  };

  /** Whether a key meant something here. */
  function key(event) {
    const digit = digitOf(event);
    const view = (event.altKey || event.shiftKey) && data.views.find((one) => one.key === digit);
    const tag = !event.altKey && !event.shiftKey && verdicts.TAGS[digit - 1];
    if (view) pick(event.altKey ? 'left' : 'right', view.kind);
    else if (tag) verdicts.tag(current.id, tag);
    else if (KEYS[event.key]) KEYS[event.key]();
    else return false;
    return true;
  }

  SPARKLE.detail = { build, open, key, close: () => dialog.open && dialog.close(), isOpen: () => dialog.open, stage: () => stage };
}

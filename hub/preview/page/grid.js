/* The grid: only rows near the screen are in the document, and only cards on the screen play. */
'use strict';

{
  const { $, h, icon, data, verdicts, filters, setting, calm } = SPARKLE;
  const LEAST_WIDTH = 350; // px of a card
  const GAP = 16;
  const TEXT_HEIGHT = 116; // px below the pictures, as in browse.css
  const AHEAD = 1; // screens that are kept ready above and below
  const SETTLE = 150; // ms a card must stay on the screen before it plays: none does while one scrolls by

  const playing = setting('playing', 'on', ['on', 'off']);
  const cards = new Map(); // index in `shown` -> element
  let shown = [];
  let shape = { columns: 1, width: LEAST_WIDTH, height: 300 };
  let active = 0;
  let grid;

  // --- playing
  const timers = new Map();
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      clearTimeout(timers.get(target));
      if (isIntersecting) timers.set(target, setTimeout(() => start(target), SETTLE));
      else stop(target);
    }
  }, { threshold: 0.2 });

  function start(card) {
    const sample = data.byId.get(card.dataset.id);
    const still = playing.get() === 'off' || (calm.matches && !card.matches(':hover, :focus-within'));
    if (still || !sample.media || card.video || document.querySelector('dialog[open]')) return;
    card.video = h('video', { muted: true, loop: true, playsInline: true, disablePictureInPicture: true, src: `${sample.media}.card.mp4`, 'aria-hidden': 'true', tabIndex: -1 });
    card.querySelector('.card__media').append(card.video);
    card.video.play().catch(() => {}); // a browser may refuse; the poster stays
  }

  function stop(card) {
    clearTimeout(timers.get(card));
    timers.delete(card);
    if (!card.video) return;
    card.video.removeAttribute('src'); // lets go of its decoder
    card.video.load();
    card.video.remove();
    card.video = null;
  }

  function replay() {
    for (const card of cards.values()) {
      stop(card);
      watcher.unobserve(card);
      watcher.observe(card);
    }
  }

  // --- cards
  function makeCard(index) {
    const sample = shown[index];
    const fits = sample.clip && Math.abs((2 * sample.clip.width) / sample.clip.height / pairRatio() - 1) < 0.05;
    const media = h('div', { class: fits ? 'card__media card__media--full' : 'card__media' },
      sample.media
        ? h('img', { src: `${sample.media}.webp`, alt: '', decoding: 'async' })
        : h('p', { class: 'card__gone' }, icon('warn'), sample.problems?.[0] || 'There is no video'));
    const score = data.metrics[0];
    const value = score && sample[score.key];
    const chip = value === undefined ? null : h('span', { class: 'score', title: `${score.name}. ${SPARKLE.explain(score)} Red is the threshold ${SPARKLE.leastOf(score)} or less, green is 10.` }, value.toFixed(2));
    if (chip) chip.style.setProperty('--good', SPARKLE.goodness(score, value));
    const link = h('a', { class: 'card__link', href: SPARKLE.linkTo(sample.id), tabIndex: index === active ? 0 : -1 },
      media,
      h('div', { class: 'card__text' },
        h('div', { class: 'card__row' },
          h('span', { class: `badge badge--${sample.theme}` }, sample.theme),
          h('span', { class: 'card__scene' }, [sample.subtheme, sample.scene].filter(Boolean).join(' · ')),
          sample.problems ? h('span', { class: 'card__warn', title: sample.problems.join('\n') }, icon('warn'), h('span', { class: 'sr' }, 'has a problem')) : null,
          chip),
        sample.ended ? h('p', { class: `card__ended is-${sample.status}${sample.prompt ? '' : ' card__ended--long'}`, title: sample.ended.why }, h('strong', null, `${SPARKLE.STATUSES[sample.status]} at ${sample.ended.step}. `), sample.ended.why) : null,
        h('p', { class: sample.ended ? 'card__prompt card__prompt--short' : 'card__prompt' }, sample.prompt),
        h('p', { class: 'card__id' }, sample.id.replace('Sparkle_', ''), h('span', { class: 'card__tags' }))));
    const buttons = h('div', { class: 'card__verdicts' }, ['keep', 'drop'].map((verdict) => h('button', {
      type: 'button', class: `button button--icon verdict--${verdict}`, 'aria-label': `${verdict} ${sample.id}`, title: verdict, tabIndex: -1,
      onclick: () => verdicts.decide(sample.id, verdict),
    }, icon(verdict))));
    const card = h('li', { class: 'card', data: { id: sample.id }, 'aria-posinset': index + 1, 'aria-setsize': shown.length }, link, buttons);
    link.onfocus = () => setActive(index);
    link.onclick = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // to another tab
      event.preventDefault();
      SPARKLE.detail.open(sample);
    };
    card.onpointerenter = () => calm.matches && start(card); // who wants no motion asks for it
    card.onpointerleave = () => calm.matches && stop(card);
    showVerdict(card);
    return card;
  }

  function showVerdict(card) {
    const found = verdicts.of(card.dataset.id);
    card.dataset.verdict = found?.verdict || '';
    const differ = verdicts.differ(card.dataset.id);
    card.querySelector('.card__tags').textContent = [...(found?.tags || []), ...(differ ? ['reviewers differ'] : [])].join(', ');
    card.querySelector('.card__link').setAttribute('aria-description', found ? `verdict: ${found.verdict}` : '');
    for (const button of card.querySelectorAll('.card__verdicts button')) {
      button.setAttribute('aria-pressed', String(found?.verdict === button.title));
    }
  }

  function setActive(index) {
    const before = cards.get(active)?.querySelector('a');
    if (before) before.tabIndex = -1;
    active = index;
    const now = cards.get(active)?.querySelector('a');
    if (now) now.tabIndex = 0;
  }

  // --- what is in the document
  function measure() {
    const width = grid.clientWidth;
    const columns = Math.max(1, Math.floor((width + GAP) / (LEAST_WIDTH + GAP)));
    const card = (width - GAP * (columns - 1)) / columns;
    shape = { columns, width: card, height: Math.round(card / pairRatio()) + TEXT_HEIGHT };
  }

  /** Width by height of most pairs: the box that all posters are shown in. */
  function pairRatio() {
    const ratios = data.samples.filter((sample) => sample.clip).map(({ clip }) => (2 * clip.width) / clip.height).sort((a, b) => a - b);
    return Math.min(3.6, Math.max(1.2, ratios[ratios.length >> 1] || 3.55));
  }

  function render() {
    const { columns, width, height } = shape;
    const rows = Math.ceil(shown.length / columns);
    grid.style.height = `${Math.max(0, rows * (height + GAP) - GAP)}px`;
    const top = -grid.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor((top - AHEAD * innerHeight) / (height + GAP)));
    const last = Math.min(rows - 1, Math.floor((top + (1 + AHEAD) * innerHeight) / (height + GAP)));
    const wanted = new Set();
    for (let index = first * columns; index < Math.min((last + 1) * columns, shown.length); index += 1) wanted.add(index);
    if (cards.has(active) && cards.get(active).contains(document.activeElement)) wanted.add(active); // keeps the focus
    for (const [index, card] of cards) {
      if (wanted.has(index)) continue;
      stop(card);
      watcher.unobserve(card);
      card.remove();
      cards.delete(index);
    }
    for (const index of [...wanted].sort((a, b) => a - b)) {
      if (!cards.has(index)) add(index);
      const card = cards.get(index);
      const [row, column] = [Math.floor(index / columns), index % columns];
      card.style.transform = `translate(${column * (width + GAP)}px, ${row * (height + GAP)}px)`;
      card.style.width = `${width}px`;
      card.style.height = `${height}px`;
    }
  }

  function add(index) {
    const card = makeCard(index);
    cards.set(index, card);
    const next = [...cards.keys()].filter((other) => other > index).sort((a, b) => a - b)[0];
    grid.insertBefore(card, next === undefined ? null : cards.get(next)); // reading order is the order of samples
    watcher.observe(card);
  }

  /** Show other samples, from the first. */
  function show(samples) {
    for (const card of cards.values()) { stop(card); watcher.unobserve(card); card.remove(); }
    cards.clear();
    shown = samples;
    active = 0;
    measure();
    render();
  }

  function focus(index) {
    if (!shown.length) return;
    setActive(Math.max(0, Math.min(shown.length - 1, index)));
    const [row, space] = [Math.floor(active / shape.columns), shape.height + GAP];
    const top = grid.getBoundingClientRect().top + row * space;
    const head = document.querySelector('.top').offsetHeight + GAP;
    if (top < head) scrollBy(0, top - head);
    else if (top + shape.height > innerHeight) scrollBy(0, top + shape.height - innerHeight + GAP);
    render();
    cards.get(active)?.querySelector('a').focus({ preventScroll: true });
  }

  function key(event) {
    const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: shape.columns, ArrowUp: -shape.columns, Home: -shown.length, End: shown.length };
    const here = grid.contains(document.activeElement);
    if (event.key in moves && (here || document.activeElement === document.body)) {
      focus(here ? active + moves[event.key] : active);
      return true;
    }
    const verdict = { k: 'keep', d: 'drop' }[event.key];
    const sample = shown[active];
    if (!here || !sample) return false;
    const tag = !event.shiftKey && !event.altKey && verdicts.TAGS[SPARKLE.digitOf(event) - 1];
    if (verdict) verdicts.decide(sample.id, verdict);
    else if (tag) verdicts.tag(sample.id, tag);
    else if (event.key === 'u') verdicts.decide(sample.id, null);
    else if (event.key === 'n') SPARKLE.detail.open(sample, { note: true });
    else return false;
    return true;
  }

  function build() {
    grid = $('grid');
    const toggle = $('playing');
    toggle.checked = playing.get() === 'on';
    toggle.onchange = () => { playing.set(toggle.checked ? 'on' : 'off'); replay(); };
    let queued = false;
    const later = () => {
      if (queued) return;
      queued = true;
      requestAnimationFrame(() => { queued = false; render(); });
    };
    addEventListener('scroll', later, { passive: true });
    addEventListener('resize', () => { measure(); later(); });
    verdicts.onChange((id) => {
      for (const card of cards.values()) if (id === null || card.dataset.id === id) showVerdict(card);
    });
    filters.onChange(() => show(filters.chosen()));
  }

  const pause = () => { for (const card of cards.values()) stop(card); };
  const indexOf = (sample) => shown.indexOf(sample);

  SPARKLE.grid = { build, show, key, focus, pause, replay, indexOf, shown: () => shown };
}

/* Puts the page together: header, keys, links, the dialog of keys. */
'use strict';

{
  const { $, h, data, filters, verdicts, grid, detail, theme, nextTheme, toast, ask } = SPARKLE;

  const KEYS = [
    ['← →', 'previous and next sample (arrows move in the grid as well); on a phone, swipe'], ['Enter', 'open a sample'], ['Esc', 'back to all samples'],
    ['k d u', 'keep, drop, undecided'], ['1 … 5', verdicts.TAGS.join(', ')], ['z', 'take back the last decision'], ['n', 'write a note; Esc leaves it'],
    ['f', 'pictures as large as they can be'], ['s v w x', 'side by side, stacked, wipe, difference'], ['+ − 0', 'zoom in, out, whole picture; also the wheel, and drag to move'],
    ['space', 'play and pause'], [', .', 'one frame back and on'], ['[ ]', 'move the wipe'], ['m', 'mask'], ['b', 'boxes: round 2, round 1, none'],
    ['Shift 1 … 8', 'what is shown on the right; with Alt on the left'], ['/', 'search'], ['t', 'light, dark, as the system'], ['?', 'this list'],
  ];

  /** The hash of a sample under the present filters; of the grid without an id. */
  SPARKLE.linkTo = (id) => {
    const query = filters.toQuery();
    return `#${id}${query ? `?${query}` : ''}`;
  };

  let openAbout;
  let following = false; // the link says what is shown, not the other way round

  function follow() {
    const [id, query] = location.hash.slice(1).split(/\?(.*)/s);
    following = true;
    filters.fromQuery(query || '');
    following = false;
    const sample = data.byId.get(id);
    if (sample) {
      detail.open(sample, { replace: true });
      return;
    }
    detail.close();
    if (id && id !== 'grid') toast(`This page does not show ${id.slice(0, 60)}`, 'bad');
  }

  function showCounts() {
    const shown = grid.shown().length;
    const all = data.samples.length;
    const counts = verdicts.counts();
    $('count').textContent = `${all.toLocaleString('en')} sample${all === 1 ? '' : 's'}`;
    $('shown').textContent = shown === all ? `All ${all.toLocaleString('en')}` : `${shown.toLocaleString('en')} of ${all.toLocaleString('en')}`;
    $('empty').hidden = shown > 0;
    $('undo').hidden = !verdicts.canUndo();
    $('drop-all').hidden = !filters.active() || shown === 0;
    $('drop-all').textContent = `Drop all ${shown.toLocaleString('en')} shown`;
    for (const verdict of ['keep', 'drop', 'note']) {
      $(`reviewed-${verdict}`).style.width = `${(100 * counts[verdict]) / Math.max(1, all)}%`;
    }
    const button = $('save');
    button.disabled = counts.all === 0;
    button.classList.toggle('is-saved', !counts.unsaved);
    $('save-count').hidden = counts.all === 0;
    $('save-count').textContent = String(counts.all);
    button.setAttribute('aria-label', `Save ${counts.all} verdict${counts.all === 1 ? '' : 's'}${counts.unsaved ? ', not saved yet' : ''}`);
  }

  async function save() {
    if (verdicts.reviewer() === null) {
      const text = 'It goes into the lines of the file, so that those of several reviewers can be told apart. You are asked once; the dialog of keys has it later.';
      const name = await ask({ title: 'Your name', text, yes: 'Save verdicts', input: '' });
      if (name === null) return;
      verdicts.reviewer(name);
    }
    const name = verdicts.save();
    const { drop, elsewhere } = verdicts.counts();
    const more = elsewhere ? `, ${elsewhere} of samples that are not on this page` : '';
    toast(`Saved ${name}: ${drop} dropped${more}. Next:`, 'plain', h('code', null, `sparkle build RUN --out RELEASE --exclude ${name}`));
  }

  async function load(files) {
    try {
      const texts = await Promise.all(files.map(async (file) => ({ name: file.name, text: await file.text() })));
      const { count, changed, differ } = verdicts.load(texts);
      const some = differ.slice(0, 3).join(', ') + (differ.length > 3 ? `, and ${differ.length - 3} more` : '');
      toast(`${count} verdict${count === 1 ? '' : 's'} loaded, ${changed} new or changed.${differ.length ? ` Reviewers differ on ${some}: the last file counts until you decide.` : ''}`, 'plain', differ.length ? h('span') : null);
    } catch (error) {
      toast(`Nothing was loaded: ${error.message}`, 'bad');
    }
  }

  async function dropAll() {
    const ids = grid.shown().map(({ id }) => id);
    const kept = ids.filter((id) => verdicts.of(id)?.verdict === 'keep').length;
    const text = `The filters show ${ids.length.toLocaleString('en')} of ${data.samples.length.toLocaleString('en')}, and all of them will be dropped${kept ? `, also the ${kept} with the verdict keep` : ''}. Undo (z) takes it back.`;
    if (await ask({ title: `Drop ${ids.length.toLocaleString('en')} sample${ids.length === 1 ? '' : 's'}?`, text, yes: 'Drop' })) {
      verdicts.dropAll(ids);
      toast(`${ids.length.toLocaleString('en')} dropped`);
    }
  }

  function undo() {
    const ids = verdicts.undo();
    toast(ids === null ? 'There is nothing to take back' : `Taken back: ${ids.length === 1 ? ids[0] : `${ids.length} verdicts`}`);
    const sample = ids?.length === 1 && data.byId.get(ids[0]);
    if (sample && detail.isOpen()) detail.open(sample);
  }

  SPARKLE.undo = undo;

  function buildHead() {
    $('name').textContent = data.name;
    document.title = `${data.name} · Sparkle preview`;
    const search = $('search');
    search.oninput = () => filters.set({ query: search.value.trim() });
    $('save').onclick = save;
    $('load').onclick = () => $('file').click();
    $('file').onchange = (event) => {
      if (event.target.files.length) load([...event.target.files]);
      event.target.value = '';
    };
    $('theme').onclick = () => { nextTheme(); showTheme(); };
    $('undo').onclick = undo;
    $('drop-all').onclick = dropAll;
    $('help').onclick = () => openAbout();
    $('clear').onclick = filters.reset;
    const sort = $('sort');
    sort.append(...filters.sorts().map(([value, name]) => h('option', { value }, name)));
    sort.onchange = () => filters.set({ sort: sort.value });
    filters.onChange(() => {
      if (search.value.trim() !== filters.state().query) search.value = filters.state().query;
      sort.value = filters.state().sort;
      showCounts();
      if (!following && !detail.isOpen() && location.hash !== SPARKLE.linkTo('')) history.replaceState(null, '', SPARKLE.linkTo(''));
    });
    verdicts.onChange(showCounts);
    showTheme();
    const head = document.querySelector('.top');
    new ResizeObserver(() => document.documentElement.style.setProperty('--top', `${head.offsetHeight}px`)).observe(head);
  }

  function showTheme() {
    const names = { auto: 'as the system', light: 'light', dark: 'dark' };
    const label = `Colours: ${names[theme.get()]} (t)`;
    $('theme').title = label;
    $('theme').setAttribute('aria-label', label);
  }

  function buildAbout() {
    const dialog = $('about');
    const limits = data.metrics.filter(({ key }) => key in data.limits);
    const name = h('input', { type: 'text', maxLength: 80, oninput: () => verdicts.reviewer(name.value) });
    openAbout = () => { name.value = verdicts.reviewer() || ''; dialog.showModal(); };
    dialog.append(
      h('header', null, h('h2', { id: 'about-title' }, 'Keys'), SPARKLE.iconButton('close', 'Close', 'Esc', { onclick: () => dialog.close() })),
      h('dl', { class: 'keys' }, KEYS.map(([keys, text]) => h('div', null, h('dt', null, keys.split(' ').map((one) => h('kbd', null, one))), h('dd', null, text)))),
      h('label', { class: 'about__name' }, 'Your name in saved verdicts', name),
      limits.length ? h('h3', null, 'A sample is kept when') : '',
      limits.length ? h('dl', { class: 'pairs' }, limits.map((metric) => h('div', { title: SPARKLE.explain(metric) }, h('dt', null, metric.name), h('dd', null, SPARKLE.asked(metric))))) : '',
      h('p', null, 'The colour of a score goes from red, at its threshold or below, to green, at 10. Source and edited are tiles of one video, so they are always at the same frame; frames are counted from 1. Verdicts stay in this browser until you save them; the file is what sparkle build --exclude takes.'),
      h('p', { class: 'dim' }, `Made by sparkle preview ${data.version}.`));
    dialog.onclick = (event) => { if (event.target === dialog) dialog.close(); };
  }

  // --- keys: those of the sample that is open, of the grid, of the page
  function onKey(event) {
    const typing = event.target.closest('input:not([type=range], [type=checkbox]), textarea');
    if ($('ask').open) return;
    if (event.key === 'Escape' && typing) {
      event.preventDefault();
      if (typing.id === 'search' && typing.value) filters.set({ query: '' });
      else typing.blur();
      return;
    }
    if (typing || event.ctrlKey || event.metaKey || $('about').open) return;
    if (ownKey(event)) return;
    const done = detail.isOpen() ? detail.key(event) : grid.key(event);
    if (done || pageKey(event)) event.preventDefault();
  }

  let clicked = null; // the button that has the focus because a pointer pressed it

  /** Whether a control that has the focus wants the key; a button that a pointer pressed does not want space. */
  function ownKey(event) {
    const { target, key } = event;
    if (target.closest('select')) return true;
    if (target.closest('input')) return key.length > 1 || (key === ' ' && target.type === 'checkbox');
    const pressed = target.closest('button, a, summary');
    if (!pressed || ![' ', 'Enter'].includes(key)) return false;
    if (key === 'Enter' || pressed !== clicked) return true;
    pressed.blur(); // or its release would press it
    return false;
  }

  function pageKey(event) {
    if (event.key === '?') openAbout();
    else if (event.key === 'z') undo();
    else if (event.key === 't') { nextTheme(); showTheme(); toast($('theme').title); }
    else if (event.key === '/' && !detail.isOpen()) $('search').focus();
    else return false;
    return true;
  }

  function start() {
    if (!data.samples.length) {
      $('count').textContent = 'This page is not finished: run the same sparkle preview command again.';
      return;
    }
    grid.build();
    detail.build();
    SPARKLE.filterPanel.build();
    buildHead();
    buildAbout();
    addEventListener('keydown', onKey);
    addEventListener('pointerdown', ({ target }) => { clicked = target.closest('button, a, summary'); });
    addEventListener('pointerup', ({ target }) => { if (target.matches('input[type=range]')) target.blur(); }); // arrows are for samples
    addEventListener('focusin', ({ target }) => { if (target !== clicked) clicked = null; });
    addEventListener('hashchange', follow); // a link, the way back, or the reader's own hand
    follow();
    document.body.classList.add('is-ready');
  }

  start();
}

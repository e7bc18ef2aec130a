/* The panel of filters: every choice with how many samples it has under the others. */
'use strict';

{
  const { $, h, data, filters, verdicts } = SPARKLE;
  const BINS = 28;

  const ofRun = () => data.samples.some((sample) => sample.ended);
  let parts;

  function build() {
    parts = {
      themes: h('div', { class: 'chips', role: 'group', 'aria-label': 'Themes' }),
      subtheme: h('select', { id: 'subtheme', onchange: (event) => filters.set({ subtheme: event.target.value }) }),
      status: h('div', { class: 'chips', role: 'group', 'aria-label': 'What the run made of them' }),
      reason: h('select', { id: 'reason', onchange: (event) => filters.set({ reason: event.target.value }) }),
      verdict: h('div', { class: 'chips', role: 'group', 'aria-label': 'Verdicts' }),
      tags: h('div', { class: 'chips', role: 'group', 'aria-label': 'Tags' }),
      metric: h('select', { id: 'metric', onchange: (event) => filters.set({ metric: event.target.value, low: null, high: null }) },
        data.metrics.map(({ key, name }) => h('option', { value: key }, name))),
      range: h('div', { class: 'range' }),
      problems: h('label', { class: 'check' }),
      clear: h('button', { type: 'button', class: 'button', onclick: filters.reset }, 'Clear all filters'),
    };
    const withProblems = data.samples.filter((sample) => sample.problems).length;
    parts.problem = h('input', { type: 'checkbox', onchange: (event) => filters.set({ problems: event.target.checked }) });
    parts.problems.append(parts.problem, ` Only with a problem (${withProblems})`);
    const panel = $('filters');
    panel.append(
      h('div', { class: 'filters__head only-narrow' }, h('h2', null, 'Filters'), SPARKLE.iconButton('close', 'Close the filters', null, { onclick: () => toggle(false) })),
      section('Theme', parts.themes),
    );
    if (ofRun()) panel.append(section('In the run', parts.status), section('Not kept because', parts.reason, 'reason'));
    if (data.samples.some((sample) => sample.subtheme)) panel.append(section('Subtheme', parts.subtheme, 'subtheme'));
    if (data.metrics.length) panel.append(section('Score or measure', [parts.metric, parts.range], 'metric'));
    panel.append(section('Verdict', parts.verdict), section('Tag', parts.tags));
    if (withProblems) panel.append(section('Problems', parts.problems));
    panel.append(parts.clear);
    $('filters-open').onclick = () => toggle(!panel.classList.contains('is-open'));
    filters.onChange(show);
    verdicts.onChange(show);
  }

  function section(title, content, labelFor) {
    const heading = labelFor ? h('label', { for: labelFor }, title) : title;
    return h('section', null, h('h2', null, heading), content);
  }

  function toggle(open) {
    $('filters').classList.toggle('is-open', open);
    $('filters-open').setAttribute('aria-expanded', String(open));
    if (!open) $('filters-open').focus();
    else $('filters').querySelector('button, select, input')?.focus();
  }

  function count(without, test) {
    return data.samples.reduce((sum, sample) => sum + (test(sample) && filters.fits(sample, without)), 0);
  }

  function show() {
    const state = filters.state();
    chips(parts.themes, data.themes.map((theme) => ({
      name: theme,
      on: state.themes.includes(theme),
      count: count('themes', (sample) => sample.theme === theme),
      press: () => filters.set({
        themes: state.themes.includes(theme) ? state.themes.filter((one) => one !== theme) : [...state.themes, theme],
        subtheme: '',
      }),
    })));
    chips(parts.status, Object.entries(SPARKLE.STATUSES).filter(([status]) => data.samples.some((sample) => sample.status === status)).map(([status, name]) => ({
      name,
      on: state.status === status,
      count: count('status', (sample) => sample.status === status),
      press: () => filters.set({ status: state.status === status ? '' : status, reason: '' }),
    })));
    chips(parts.tags, verdicts.TAGS.map((tag) => ({
      name: tag,
      on: state.tag === tag,
      count: count('tag', (sample) => filters.tagged(sample, tag)),
      press: () => filters.set({ tag: state.tag === tag ? '' : tag }),
    })));
    const kinds = Object.entries(filters.VERDICTS).filter(([verdict]) => verdict !== 'differ' || verdicts.anyDiffer() || state.verdict === 'differ');
    chips(parts.verdict, kinds.map(([verdict, name]) => ({
      name,
      on: state.verdict === verdict,
      count: count('verdict', (sample) => filters.decided(sample, verdict)),
      press: () => filters.set({ verdict: state.verdict === verdict ? '' : verdict }),
    })));
    showSubthemes(state);
    showReasons(state);
    if (data.metrics.length) showRange(state);
    parts.problem.checked = state.problems;
    parts.clear.hidden = !filters.active();
  }

  /** Pressed buttons that keep their place and focus when numbers change. */
  function chips(place, wanted) {
    while (place.children.length < wanted.length) {
      place.append(h('button', { type: 'button', class: 'chip' }, h('span'), h('span', { class: 'chip__count' })));
    }
    while (place.children.length > wanted.length) place.lastChild.remove();
    wanted.forEach((chip, index) => {
      const button = place.children[index];
      button.setAttribute('aria-pressed', String(chip.on));
      button.classList.toggle('is-empty', chip.count === 0);
      button.onclick = chip.press;
      button.children[0].textContent = chip.name;
      button.children[1].textContent = String(chip.count);
    });
  }

  function showSubthemes(state) {
    const counts = new Map();
    for (const sample of data.samples) {
      const subtheme = filters.subthemeOf(sample);
      if (subtheme && filters.fits(sample, 'subtheme')) counts.set(subtheme, (counts.get(subtheme) || 0) + 1);
    }
    if (state.subtheme && !counts.has(state.subtheme)) counts.set(state.subtheme, 0);
    const groups = data.themes.map((theme) => h('optgroup', { label: theme }, [...counts.keys()].sort()
      .filter((subtheme) => subtheme.startsWith(`${theme}/`))
      .map((subtheme) => h('option', { value: subtheme }, `${subtheme.slice(theme.length + 1)} (${counts.get(subtheme)})`))));
    parts.subtheme.replaceChildren(h('option', { value: '' }, 'All'), ...groups.filter((group) => group.children.length));
    parts.subtheme.value = state.subtheme;
  }

  function showReasons(state) {
    const counts = new Map(data.samples.filter(({ reason }) => reason).map(({ reason }) => [reason, 0]));
    for (const sample of data.samples) if (sample.reason && filters.fits(sample, 'reason')) counts.set(sample.reason, counts.get(sample.reason) + 1);
    parts.reason.replaceChildren(h('option', { value: '' }, 'All'), ...[...counts].map(([reason, number]) => h('option', { value: reason }, `${reason} (${number})`)));
    parts.reason.value = state.reason;
  }

  // --- a histogram with two handles
  function showRange(state) {
    parts.metric.value = state.metric;
    const metric = data.metrics.find(({ key }) => key === state.metric);
    const all = data.samples.map((sample) => sample[metric.key]).filter((value) => value !== undefined);
    const step = 10 ** -metric.digits;
    const [least, most] = [Math.floor(Math.min(...all) / step) * step, Math.ceil(Math.max(...all) / step) * step];
    if (parts.range.dataset.metric !== metric.key) buildRange(metric, least, most, step);
    const [low, high] = [state.low ?? least, state.high ?? most];
    const width = Math.max(most - least, step);
    const bins = new Array(BINS).fill(0);
    for (const sample of data.samples) {
      const value = sample[metric.key];
      if (value !== undefined && filters.fits(sample, 'range')) bins[Math.min(BINS - 1, Math.floor(((value - least) / width) * BINS))] += 1;
    }
    const tallest = Math.max(...bins, 1);
    [...parts.bars.children].forEach((bar, index) => {
      bar.style.height = `${bins[index] ? Math.max(6, (bins[index] / tallest) * 100) : 0}%`;
      const from = least + (index / BINS) * width;
      bar.classList.toggle('is-out', from + width / BINS < low || from > high);
    });
    const unknown = data.samples.length - all.length;
    [parts.low.value, parts.high.value] = [low, high];
    parts.lowText.textContent = low.toFixed(metric.digits);
    parts.highText.textContent = high.toFixed(metric.digits);
    parts.unknown.textContent = unknown ? `${unknown} without it` : '';
  }

  function buildRange(metric, least, most, step) {
    parts.range.dataset.metric = metric.key;
    const handle = (label, apply) => h('input', {
      type: 'range', min: least, max: most, step, 'aria-label': `${metric.name}, ${label}`,
      oninput: (event) => apply(Number(event.target.value)),
    });
    parts.low = handle('at least', (value) => filters.set({ low: value <= least ? null : Math.min(value, Number(parts.high.value)) }));
    parts.high = handle('at most', (value) => filters.set({ high: value >= most ? null : Math.max(value, Number(parts.low.value)) }));
    parts.bars = h('div', { class: 'range__bars', 'aria-hidden': 'true' }, Array.from({ length: BINS }, () => h('i')));
    parts.lowText = h('output');
    parts.highText = h('output');
    parts.unknown = h('span', { class: 'dim' });
    const marks = (data.limits[metric.key] || []).filter((limit) => limit !== null && limit >= least && limit <= most).map((limit) => {
      const mark = h('b', { class: 'range__limit', title: `Threshold ${limit}` });
      mark.style.left = `${((limit - least) / Math.max(most - least, step)) * 100}%`;
      return mark;
    });
    parts.range.replaceChildren(
      h('div', { class: 'range__plot', title: SPARKLE.explain(metric) }, parts.bars, marks),
      h('div', { class: 'range__handles' }, parts.low, parts.high),
      h('div', { class: 'range__text' }, parts.lowText, parts.unknown, parts.highText),
      h('p', { class: 'range__about' }, SPARKLE.explain(metric), SPARKLE.asked(metric) ? ` Kept: ${SPARKLE.asked(metric)}.` : ''),
      metric.score ? legend(metric) : '',
    );
  }

  /** What the colour of a score says. */
  function legend(metric) {
    const least = SPARKLE.leastOf(metric);
    return h('p', { class: 'legend' }, h('span', null, `${least} or less`), h('i', { 'aria-hidden': 'true' }), h('span', null, '10'));
  }

  SPARKLE.filterPanel = { build, show, toggle };
}

/* What is said of a sample: scores, the judges' words, measures, where it comes from. */
'use strict';

{
  const { h, data, format, explain, asked, fitsLimits, goodness } = SPARKLE;

  const IMAGES = [
    { key: 'edited_frame0', metric: 'edited_frame0_score', title: 'Edited first frame' },
    { key: 'foreground_removed', metric: 'foreground_removed_score', title: 'Subject removed' },
  ];
  const WORDS = { SC: 'Follows the prompt', PQ: 'Looks real' };

  /** The scores as bars with their thresholds, and the measures as a table. */
  function numbers(sample) {
    const scores = data.metrics.filter((metric) => metric.score);
    const measures = data.metrics.filter((metric) => !metric.score && sample[metric.key] !== undefined);
    const parts = [];
    if (scores.length) parts.push(h('h3', null, 'Scores'), h('dl', { class: 'bars' }, scores.map((metric) => bar(metric, sample[metric.key]))));
    if (measures.length) {
      parts.push(h('h3', null, 'Measures'), h('dl', { class: 'pairs' }, measures.map((metric) => row(metric, sample[metric.key]))));
    }
    const implied = [['Motion that the prompt implies', sample.implied_motion], ['Found in the picture', sample.implied_motion_found]].filter(([, text]) => text);
    if (implied.length) parts.push(h('dl', { class: 'pairs' }, implied.map(([name, text]) => h('div', null, h('dt', null, name), h('dd', null, text)))));
    return parts;
  }

  function row(metric, value) {
    const limits = asked(metric);
    return h('div', { title: explain(metric) },
      h('dt', null, metric.name),
      h('dd', { class: fitsLimits(metric, value) ? '' : 'is-out' }, format(metric, value), limits ? h('small', null, ` ${limits}`) : null));
  }

  function bar(metric, value) {
    const fill = h('i', { class: 'bar__fill' });
    const [limit] = data.limits[metric.key] || [null];
    const mark = limit === null ? null : h('b', { class: 'bar__limit', title: `Threshold ${limit}` });
    fill.style.width = `${(value ?? 0) * 10}%`;
    if (value !== undefined) fill.style.setProperty('--good', goodness(metric, value));
    if (mark) mark.style.left = `${limit * 10}%`;
    const below = value !== undefined && !fitsLimits(metric, value);
    return h('div', { title: [explain(metric), asked(metric) && `Kept: ${asked(metric)}.`].filter(Boolean).join(' ') },
      h('dt', null, metric.name),
      h('dd', null, h('span', { class: 'bar' }, fill, mark),
        h('span', { class: below ? 'bar__value is-out' : 'bar__value' }, value === undefined ? h('span', { class: 'dim' }, 'none') : value.toFixed(metric.digits),
          limit === null ? null : h('small', null, ` ≥ ${limit}`))));
  }

  /** The judges' reasonings, frame by frame; a frame's heading shows that frame. */
  function judges(details, sample, seek) {
    const parts = [];
    if (details.frames?.length) {
      parts.push(fold('Edited video, frame by frame', true, details.frames.map((found) => h('section', { class: 'judged' },
        h('h4', null,
          h('button', { type: 'button', class: 'link', onclick: () => seek(found.frame), title: 'Show this frame' }, `Frame ${found.frame + 1}`),
          chip('overall', found.O_score), chip('prompt', found.SC_score), chip('quality', found.PQ_score)),
        words(found.SC_score_reasoning, found.PQ_score_reasoning)))));
    }
    for (const { key, metric, title } of IMAGES) {
      const found = details.judged?.[key];
      if (!found) continue;
      parts.push(fold(title, false, h('section', { class: 'judged' },
        sample[metric] === undefined ? null : h('h4', null, chip('overall', sample[metric])), words(found.SC, found.PQ))));
    }
    return parts.length ? [h('h3', null, 'What the judges said'), ...parts] : [];
  }

  const chip = (name, value) => (value === undefined || value === null ? null : h('span', { class: 'chip-small' }, `${name} ${value.toFixed(2)}`));
  const words = (SC, PQ) => [[WORDS.SC, SC], [WORDS.PQ, PQ]].filter(([, text]) => text)
    .map(([name, text]) => h('p', null, h('strong', null, `${name}. `), text));
  const fold = (title, open, content) => h('details', { open, class: 'fold' }, h('summary', null, title), content);

  /** What was found to be the foreground. */
  function labels(details) {
    if (!details.round1?.length) return [];
    return [h('h3', null, 'Foreground'), h('ul', { class: 'labels' }, details.round1.map(({ label }) => h('li', null, label)))];
  }

  function origin(sample, details) {
    const rows = [
      ['Scene before', details.original_scene],
      ['File', sample.source],
      ['sha256', sample.source_sha256 && h('span', { title: sample.source_sha256 }, sample.source_sha256.slice(0, 12))],
      ['Licence', sample.source_sha256 && (sample.licence || 'not recorded')],
      ['Clip', sample.clip && `${sample.clip.frames} frames at ${sample.clip.fps} frames per second`],
    ].filter(([, text]) => text);
    return rows.length ? [h('h3', null, 'Source'), h('dl', { class: 'rows' }, rows.map(([name, text]) => h('div', null, h('dt', null, name), h('dd', null, text))))] : [];
  }

  /** Where a sample of a run ended, and why. */
  function ended(sample) {
    if (!sample.ended) return [];
    const { status, step, why } = sample.ended;
    return [h('p', { class: `ended ended--${status}` }, h('strong', null, `${SPARKLE.STATUSES[status]} at ${step}. `), why)];
  }

  function problems(sample) {
    if (!sample.problems) return [];
    return [h('div', { class: 'problems', role: 'note' }, SPARKLE.icon('warn'), h('ul', null, sample.problems.map((text) => h('li', null, text))))];
  }

  SPARKLE.facts = { numbers, judges, labels, origin, ended, problems };
}

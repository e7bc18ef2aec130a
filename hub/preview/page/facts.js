/* What is said of a sample: scores, the judges' words, measures, where it comes from. */
'use strict';

{
  const { h, data, format, goodness } = SPARKLE;

  const IMAGES = [
    { key: 'edited_frame0', metric: 'edited_frame0_score', title: 'Edited frame 0' },
    { key: 'foreground_removed', metric: 'foreground_removed_score', title: 'Removed frame 0' },
  ];
  const WORDS = { SC: 'Follows the prompt', PQ: 'Looks real' };

  /** The scores as bars with their thresholds, and the measures as a table. */
  function numbers(sample) {
    const scores = data.metrics.filter((metric) => metric.score);
    const measures = data.metrics.filter((metric) => !metric.score && sample[metric.key] !== undefined);
    const parts = [];
    if (scores.length) parts.push(h('h3', null, 'Scores'), h('dl', { class: 'bars' }, scores.map((metric) => bar(metric, sample[metric.key]))));
    if (measures.length) {
      parts.push(h('h3', null, 'Measures'), h('dl', { class: 'pairs' }, measures.map((metric) => h('div', { title: metric.about },
        h('dt', null, metric.name), h('dd', null, format(metric, sample[metric.key]))))));
    }
    const implied = [['Implied motion', sample.implied_motion], ['Of that found', sample.implied_motion_found]].filter(([, text]) => text);
    if (implied.length) parts.push(h('dl', { class: 'pairs' }, implied.map(([name, text]) => h('div', null, h('dt', null, name), h('dd', null, text)))));
    return parts;
  }

  function bar(metric, value) {
    const fill = h('i', { class: 'bar__fill' });
    const limit = data.thresholds[metric.key];
    const mark = limit === undefined ? null : h('b', { class: 'bar__limit', title: `Threshold ${limit}` });
    fill.style.width = `${(value ?? 0) * 10}%`;
    if (value !== undefined) fill.style.setProperty('--good', goodness(metric, value));
    if (mark) mark.style.left = `${limit * 10}%`;
    return h('div', { title: metric.about },
      h('dt', null, metric.name),
      h('dd', null, h('span', { class: 'bar' }, fill, mark), h('span', { class: 'bar__value' }, value === undefined ? 'not scored' : value.toFixed(metric.digits))));
  }

  /** The judges' reasonings, frame by frame; a frame's heading shows that frame. */
  function judges(details, sample, seek) {
    const parts = [];
    if (details.frames?.length) {
      parts.push(fold('Edited video, frame by frame', true, details.frames.map((found) => h('section', { class: 'judged' },
        h('h4', null,
          h('button', { type: 'button', class: 'link', onclick: () => seek(found.frame), title: 'Show this frame' }, `Frame ${found.frame}`),
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
      ['Source', sample.source_sha256 && `sha256 ${sample.source_sha256}`],
      ['Licence', sample.licence],
      ['Clip', sample.clip && `${sample.clip.frames} frames at ${sample.clip.fps} fps`],
    ].filter(([, text]) => text);
    return rows.length ? [h('h3', null, 'Source'), h('dl', { class: 'rows' }, rows.map(([name, text]) => h('div', null, h('dt', null, name), h('dd', null, text))))] : [];
  }

  function problems(sample) {
    if (!sample.problems) return [];
    return [h('div', { class: 'problems', role: 'note' }, SPARKLE.icon('warn'), h('ul', null, sample.problems.map((text) => h('li', null, text))))];
  }

  SPARKLE.facts = { numbers, judges, labels, origin, problems };
}

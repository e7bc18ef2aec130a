/* The page of a report. Words of models are only ever set as text: nothing here parses HTML. */
'use strict';

const BENCH = {};

{
  const $ = (id) => document.getElementById(id);

  /** An element; `class`, `data-` and `aria-` are attributes, the rest properties. */
  function h(tag, properties, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties || {})) {
      if (name === 'class') element.className = value;
      else if (/^(data|aria)-|^scope$/.test(name)) element.setAttribute(name, value);
      else element[name] = value;
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return element;
  }

  const shown = (value, digits = 2) => (value === null || value === undefined ? '–' : value.toFixed(digits));
  const signed = (value) => (value > 0 ? '+' : '') + value.toFixed(2);
  const span = (pair, show = shown) => (pair && pair[0] !== null ? `${show(pair[0])} to ${show(pair[1])}` : null);
  let data;
  const words = new Map();

  // --- a table of models

  function entryOf(row, theme) {
    if (theme !== 'MACRO') return row.themes[theme];
    return { n: row.n, expected: row.expected, mean: row.macro, raw: row.macro_raw, calibrated: row.macro_calibrated, interval: row.interval, bounds: row.bounds };
  }

  function cell(table, entry, key, form) {
    const { lowest, highest } = table.rubric;
    const value = entry[form]?.[key] ?? null;
    if (value === null) {
      const bounds = span(entry.bounds?.[key]);
      return h('td', { class: 'num partial', title: 'if all that is missing had the lowest score, and the highest' }, bounds || '–');
    }
    const share = (score) => `${(100 * (score - lowest)) / (highest - lowest)}%`;
    const bar = h('i', null);
    bar.style.width = share(value);
    const found = h('td', { class: 'num' }, shown(value), bar);
    const between = entry.interval?.[key];
    if (form === 'mean' && between && between[0] !== null) {
      const line = h('b', null);
      line.style.left = share(between[0]);
      line.style.width = `calc(${share(between[1])} - ${share(between[0])})`;
      found.append(line);
      found.title = `95 % interval: ${span(between)}`;
    }
    return found;
  }

  function modelTable(table) {
    const state = { theme: 'MACRO', key: 'overall', down: true, form: 'mean' };
    const place = h('div', { class: 'wide' });
    const shorts = { overall: 'Overall' };
    for (const dimension of table.rubric.dimensions) shorts[dimension.key] = dimension.short;
    function draw() {
      const valueOf = (row) => {
        if (state.key === 'model') return row.model;
        const entry = entryOf(row, state.theme);
        return state.key === 'n' ? entry.n : entry[state.form]?.[state.key] ?? -Infinity;
      };
      const order = (a, b) => (valueOf(a) < valueOf(b) ? -1 : valueOf(a) > valueOf(b) ? 1 : 0) * (state.down ? -1 : 1);
      const head = (key, name) => h('th', { scope: 'col', 'aria-sort': state.key !== key ? 'none' : state.down ? 'descending' : 'ascending' },
        h('button', { type: 'button', onclick() { state.down = state.key === key ? !state.down : key !== 'model'; state.key = key; draw(); } }, name));
      const rows = [...table.rows].sort(order).map((row) => {
        const entry = entryOf(row, state.theme);
        const partial = entry.n < entry.expected;
        return h('tr', { 'data-model': row.model },
          h('td', null, row.model, partial ? h('span', { class: 'partial' }, ` partial, ${entry.n}/${entry.expected}`) : null),
          h('td', null, String(entry.n)), table.keys.map((key) => cell(table, entry, key, state.form)));
      });
      place.replaceChildren(h('table', null,
        h('thead', null, h('tr', null, head('model', 'Model'), head('n', 'n'), table.keys.map((key) => head(key, shorts[key])))),
        h('tbody', null, rows)));
    }
    const themes = h('select', { onchange() { state.theme = themes.value; draw(); } },
      ['MACRO', ...table.themes].map((theme) => h('option', { value: theme }, theme)));
    const forms = [['mean', 'as they count'], ['raw', 'before the cap'], ['calibrated', `calibrated to ${table.calibration?.reference.name}`]]
      .filter(([form]) => form === 'mean' || (form === 'raw' ? table.rubric.capped : table.calibration));
    const form = h('select', { class: 'form', onchange() { state.form = form.value; draw(); } }, forms.map(([value, name]) => h('option', { value }, name)));
    draw();
    return [h('form', null, h('label', null, 'Theme ', themes), forms.length > 1 ? h('label', null, 'Scores ', form) : null), place, calibrationNote(table.calibration)];
  }

  function pairTable(table) {
    if (!table.pairs.length) return [];
    const names = [...table.rows].sort((a, b) => (b.macro?.overall ?? -1) - (a.macro?.overall ?? -1)).map((row) => row.model);
    const found = new Map();
    for (const pair of table.pairs) {
      found.set(`${pair.a}\n${pair.b}`, { pair, by: 1 });
      found.set(`${pair.b}\n${pair.a}`, { pair, by: -1 });
    }
    const cells = (a) => names.map((b) => {
      const { pair, by } = found.get(`${a}\n${b}`) || {};
      if (!pair) return h('td', null, a === b ? '' : '–');
      const between = pair.interval && (by > 0 ? pair.interval : [-pair.interval[1], -pair.interval[0]]);
      const [won, lost] = by > 0 ? [pair.wins, pair.losses] : [pair.losses, pair.wins];
      const apart = pair.told_apart ? (by * pair.difference > 0 ? 'apart-more' : 'apart-less') : '';
      return h('td', { class: apart, title: `${won} won, ${pair.ties} alike, ${lost} lost of ${pair.n}; p ${pair.holm.toFixed(4)} (Holm); ${pair.told_apart ? 'told apart' : 'cannot be told apart'}` },
        signed(by * pair.difference), h('span', { class: 'sign' }, span(between, signed) || 'no interval'));
    });
    const least = table.pairs.map((pair) => pair.detectable).filter((value) => value !== null).sort((a, b) => a - b);
    return [h('h3', null, 'Row minus column, on the samples that both have'),
      h('p', { class: 'soft' }, 'Coloured where they can be told apart: the interval does not hold 0, and p, adjusted for all pairs, is below 5 %. ',
        least.length ? `A difference of about ${shown(least[Math.floor(least.length / 2)])} would be found four times out of five.` : ''),
      h('div', { class: 'wide' }, h('table', { class: 'pairs' },
        h('thead', null, h('tr', null, h('th', null, ''), names.map((name) => h('th', { scope: 'col' }, name)))),
        h('tbody', null, names.map((name) => h('tr', null, h('td', null, name), cells(name))))))];
  }

  function footOf(table) {
    return table.rows.map((row) => {
      const lost = Object.entries(row.reasons).map(([reason, count]) => `${count} ${reason}`);
      const absent = row.status.absent ? [`${row.status.absent} without any verdict`] : [];
      const repeats = row.repeats ? [`asked ${row.repeats.repeats} times: spread ${shown(row.repeats.sd_within)} per sample, ${shown(100 * row.repeats.moved, 0)} % of samples moved`] : [];
      return h('p', { class: 'soft' }, `${row.model}: `, [...lost, ...absent, ...repeats, ''].join('; '),
        h('a', { href: `verdicts/${row.verdicts}.jsonl` }, 'verdicts'), h('code', null, ` sha256 ${row.verdicts}`));
    });
  }

  /** To what scores are calibrated, and how well. */
  function calibrationNote(calibration) {
    if (!calibration) return null;
    const found = Object.entries(calibration.dimensions).map(([key, { measure, pairs, before, after, spearman }]) =>
      `${key}${measure ? ` by ${measure}` : ''}: ${pairs} pairs, mean error ${before ? `${shown(before.mae)} before, ` : ''}${shown(after.mae)} out of fold, Spearman ${shown(spearman)}`);
    return h('p', { class: 'soft' }, `Calibrated scores are on the scale of ${calibration.reference.name} (${calibration.reference.kind}). ${found.join('; ')}. Their intervals are not known.`);
  }

  /** What an audit found of the judge: whether it is fit for a dimension, and why not. */
  function auditBox(audit) {
    if (!audit) return [];
    const head = ['', 'fit', 'Spearman', 'AUC', 'leak', 'why not'];
    const rows = audit.rubric.dimensions.map(({ key, short }) => {
      const { fit, reasons = [], response = {} } = audit.dimensions[key];
      return h('tr', { 'data-dimension': key }, h('td', null, short), h('td', { class: fit ? 'apart-more' : 'apart-less' }, fit ? 'fit' : `not fit for ${short}`),
        h('td', { class: 'num' }, shown(response.spearman), h('span', { class: 'sign' }, span(response.interval) || '')),
        h('td', { class: 'num' }, shown(response.auc)), h('td', { class: 'num' }, shown(response.leak)), h('td', { class: 'why' }, reasons.join('; ')));
    });
    const damages = Object.entries(audit.damages).map(([name, { dimension, response }]) =>
      `${name} (${dimension}) ${shown(response.spearman)}, AUC ${shown(response.auc)}`);
    const checks = Object.entries(audit.checks).map(([name, { passed, of }]) => `${name} ${passed} of ${of}`);
    const again = audit.repeats ? [`asked again, ${shown(100 * audit.repeats.moved, 0)} % of clips moved`] : [];
    return [h('details', { class: 'audit', open: true }, h('summary', null, 'What this judge can see, by edits harmed on purpose'),
      h('div', { class: 'wide' }, h('table', null, h('thead', null, h('tr', null, head.map((name) => h('th', { scope: 'col' }, name)))), h('tbody', null, rows))),
      h('p', { class: 'soft' }, 'Spearman: strength of the damage and fall of the score. AUC: how likely an untouched edit scores above the most harmed. Leak: how far the other dimensions fell, as a share. ',
        [`Checks as they should be: ${checks.join(', ')}`, ...again, `${audit.failed} of ${audit.asked} verdicts failed`].join('; '), '.', h('br'), damages.join('; ')))];
  }

  function drawTable(table) {
    const settings = Object.entries(table.judge.settings || {}).map(([name, value]) => `${name} ${value}`);
    $('tables').append(h('section', { class: 'judge' },
      h('h2', null, `${table.bench.name}, judged by ${table.judge.name}`),
      h('p', { class: 'soft' }, [`rubric ${table.rubric.name}`, `judge ${table.judge.kind}`, ...settings].join(', '), h('br'), h('code', null, `bench ${table.bench.revision}`)),
      modelTable(table), auditBox(table.audit), pairTable(table), footOf(table),
      table.lacks_baselines.length ? h('p', { class: 'soft' }, `Baselines without verdicts: ${table.lacks_baselines.join(', ')}`) : ''));
  }

  // --- judges

  function drawJudges(pairs) {
    if (!pairs.length) return;
    $('judges').hidden = false;
    const head = ['Judges', 'Edits', 'Spearman', 'pooled', 'alpha', 'Models', 'Kendall', 'p', 'ordered differently'];
    const rows = pairs.map((pair) => {
      const { spearman, pooled } = pair.dimensions.overall;
      const { n, kendall, p, interval, ordered_differently: differently } = pair.systems;
      return h('tr', null, h('td', null, pair.judges.join(' and ')), h('td', null, String(pair.n)),
        h('td', null, shown(spearman?.mean), h('span', { class: 'sign' }, span(spearman?.interval) || '')),
        h('td', null, shown(pooled?.spearman)), h('td', null, shown(pooled?.alpha)), h('td', null, String(n)),
        h('td', null, shown(kendall), h('span', { class: 'sign' }, span(interval) || '')), h('td', null, shown(p, 3)),
        h('td', null, differently.map((names) => names.join(' / ')).join(', ') || 'none'));
    });
    $('judges').append(
      h('p', { class: 'soft' }, 'Spearman: within each model, then the mean by Fisher. Kendall: over the means of models; with three models even perfect agreement proves nothing.'),
      h('div', { class: 'wide' }, h('table', null, h('thead', null, h('tr', null, head.map((name) => h('th', { scope: 'col' }, name)))), h('tbody', null, rows))));
    for (const pair of pairs) $('judges').append(...scatter(pair), ...confusion(pair));
  }

  function svg(tag, attributes, ...children) {
    const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  /** Overall scores of the same edits by two judges: the larger a dot, the more edits; rings are means of models. */
  function scatter(pair) {
    const scales = pair.tables.map((id) => data.report.tables.find((table) => table.id === id).rubric);
    const counts = new Map(), byModel = new Map();
    for (const sample of data.samples) {
      const [ours, theirs] = pair.tables.map((id) => sample.scores[id] || {});
      for (const [model, x] of Object.entries(ours)) {
        if (theirs[model] === undefined) continue;
        const place = `${x} ${theirs[model]}`;
        counts.set(place, (counts.get(place) || 0) + 1);
        const sums = byModel.get(model) || [0, 0, 0];
        byModel.set(model, [sums[0] + 1, sums[1] + x, sums[2] + theirs[model]]);
      }
    }
    if (!counts.size) return [];
    const side = 300, margin = 46;
    const at = (value, axis) => ((value - scales[axis].lowest) / (scales[axis].highest - scales[axis].lowest)) * side;
    const spot = (x, y) => ({ cx: margin + at(x, 0), cy: 10 + side - at(y, 1) });
    const titled = (element, text) => { element.append(svg('title', {}, text)); return element; };
    const most = Math.max(...counts.values());
    const dots = [...counts].map(([place, count]) => {
      const [x, y] = place.split(' ').map(Number);
      return titled(svg('circle', { ...spot(x, y), r: 2 + 6 * Math.sqrt(count / most), class: 'dot' }), `${shown(x)} and ${shown(y)}: ${count}`);
    });
    const means = [...byModel].map(([model, [n, x, y]]) => titled(svg('circle', { ...spot(x / n, y / n), r: 6, class: 'mean' }), `${model}: ${shown(x / n)} and ${shown(y / n)} over ${n}`));
    const ticks = [0, 0.5, 1].flatMap((share) => [0, 1].map((axis) => {
      const { lowest, highest } = scales[axis];
      const place = axis ? { x: margin - 8, y: 14 + side * (1 - share), 'text-anchor': 'end' } : { x: margin + side * share, y: 26 + side, 'text-anchor': 'middle' };
      return svg('text', place, String(lowest + share * (highest - lowest)));
    }));
    const names = [svg('text', { x: margin + side / 2, y: side + 44, 'text-anchor': 'middle' }, pair.judges[0]),
      svg('text', { transform: `translate(14 ${10 + side / 2}) rotate(-90)`, 'text-anchor': 'middle' }, pair.judges[1])];
    const frame = svg('rect', { x: margin, y: 10, width: side, height: side, class: 'frame' });
    return [h('figure', { class: 'scatter' }, svg('svg', { viewBox: `0 0 ${side + margin + 14} ${side + 54}`, role: 'img', 'aria-label': `${pair.judges.join(' and ')}, edit by edit` }, frame, ...dots, ...means, ...ticks, ...names),
      h('figcaption', { class: 'soft' }, 'Overall scores of the same edits. The larger a dot, the more edits; rings are means of models.'))];
  }

  /** How often one judge gave which score where the other gave which, by dimension. */
  function confusion(pair) {
    const found = Object.entries(pair.dimensions).filter(([, { kappa }]) => kappa && kappa.kappa !== null);
    if (!found.length) return [];
    const lowest = data.report.tables.find((table) => table.id === pair.tables[0]).rubric.lowest;
    const [ours, theirs] = pair.judges;
    return [h('details', null, h('summary', null, `${ours} (rows) and ${theirs} (columns), score by score`),
      h('div', { class: 'edits' }, found.map(([key, { kappa }]) => h('div', { class: 'wide' },
        h('p', null, key, h('span', { class: 'soft' }, ` weighted kappa ${shown(kappa.kappa)} (${span(kappa.interval) || 'no interval'})`)),
        h('table', null,
          h('thead', null, h('tr', null, h('th', null, ''), kappa.counts.map((_, at) => h('th', { scope: 'col' }, String(lowest + at))))),
          h('tbody', null, kappa.counts.map((row, at) => h('tr', null, h('td', null, String(lowest + at)), row.map((count) => h('td', null, String(count)))))))))))];
  }

  // --- samples

  let current = -1;

  function load(index) {
    const chunk = Math.floor(index / data.chunk);
    if (words.has(index)) return drawSample(index);
    const script = h('script', { src: `data/words-${String(chunk).padStart(4, '0')}.js` });
    script.onload = () => { if (index === current) drawSample(index); };
    document.head.append(script);
    return undefined;
  }

  /** Videos of one sample in step: what one does, the others do. */
  function inStep(videos) {
    for (const video of videos) {
      const others = videos.filter((other) => other !== video);
      video.onplay = () => others.forEach((other) => { other.currentTime = video.currentTime; other.play(); });
      video.onpause = () => others.forEach((other) => { other.pause(); other.currentTime = video.currentTime; });
      video.onseeked = () => others.forEach((other) => { if (video.paused && Math.abs(other.currentTime - video.currentTime) > 0.02) other.currentTime = video.currentTime; });
    }
  }

  function drawSample(index) {
    const sample = data.samples[index];
    const videos = [];
    const video = (model) => {
      const name = sample.videos?.[model];
      if (!name) return null;
      videos.push(h('video', { src: name, muted: true, controls: true, playsInline: true, preload: 'metadata' }));
      return videos.at(-1);
    };
    const judges = new Map(data.report.tables.map((table) => [table.id, table]));
    const models = [...new Set(words.get(index).map((word) => word.model))];
    const source = video('');
    const edits = models.map((model) => h('div', { class: 'edit' }, video(model), h('strong', null, model),
      words.get(index).filter((word) => word.model === model).map((word) => {
        const table = judges.get(word.table);
        const scores = word.scores ? table.rubric.dimensions.map((dimension, at) => `${dimension.short} ${word.scores[at] === null ? '–' : Number(word.scores[at].toFixed(3))}`).join(', ') : `${word.status}: ${word.reason}`;
        const repeat = word.repeat ? ` (${word.repeat})` : '';
        const repairs = word.repairs?.length ? h('span', { class: 'sign' }, `repaired: ${word.repairs.join(', ')}`) : null;
        const measures = Object.entries(word.measures || {}).map(([name, value]) => `${name} ${Number(value.toFixed(3))}`).join(', ');
        return h('div', null, h('p', null, h('span', { class: 'soft' }, `${table.judge.name}${repeat}: `), scores), measures ? h('p', { class: 'soft' }, measures) : null, repairs, word.answer ? h('pre', null, word.answer) : null);
      })));
    $('sample-view').replaceChildren(
      h('h3', null, sample.id), h('p', { class: 'soft' }, [sample.theme, sample.subtheme, sample.scene].filter(Boolean).join(' / ')), h('p', null, sample.prompt),
      h('div', { class: 'edits' }, source ? h('div', { class: 'edit' }, source, h('strong', null, 'source')) : null, edits));
    inStep(videos);
  }

  function open(index) {
    if (index < 0 || index >= data.samples.length) return;
    current = index;
    $('sample').value = String(index);
    load(index);
  }

  function listSamples() {
    const theme = $('theme').value;
    const listed = data.samples.map((sample, index) => [sample, index]).filter(([sample]) => !theme || sample.theme === theme);
    $('sample').replaceChildren(...listed.map(([sample, index]) => h('option', { value: String(index) }, [sample.id, sample.scene].filter(Boolean).join(' · '))));
    if (listed.length) open(listed[0][1]);
  }

  function step(by) {
    const options = [...$('sample').options].map((option) => Number(option.value));
    const next = options[options.indexOf(current) + by];
    if (next !== undefined) open(next);
  }

  BENCH.words = ({ start, words: found }) => found.forEach((word, offset) => words.set(start + offset, word));
  BENCH.report = (found) => {
    data = found;
    const { tables, judges, findings, resamples, missing_have_the_lowest: lowest } = data.report;
    $('about').textContent = [`Intervals of 95 % over scenes, ${resamples} draws.`,
      lowest ? 'Edits that are missing or unusable have the lowest score.' : 'A row without all verdicts is partial, and shows bounds.',
      findings ? `${findings} lines of the verdicts do not count.` : ''].join(' ');
    tables.forEach(drawTable);
    drawJudges(judges);
    const themes = [...new Set(data.samples.map((sample) => sample.theme))];
    $('theme').append(h('option', { value: '' }, 'all'), ...themes.map((theme) => h('option', { value: theme }, theme)));
    $('theme').onchange = listSamples;
    $('sample').onchange = () => open(Number($('sample').value));
    $('back').onclick = () => step(-1);
    $('next').onclick = () => step(1);
    listSamples();
  };
}

/* Which samples are shown and in which order, as plain data that a link can carry. */
'use strict';

{
  const { data, verdicts } = SPARKLE;
  const VERDICTS = { open: 'Not decided', keep: 'Keep', drop: 'Drop', note: 'With a note', differ: 'Reviewers differ' };

  const initial = () => ({ query: '', themes: [], subtheme: '', status: '', reason: '', tag: '', metric: data.metrics[0]?.key || '', low: null, high: null, verdict: '', problems: false, sort: 'id' });
  let state = initial();
  let words = []; // of the query
  let ready = false;
  const listeners = [];

  function set(changes) {
    state = { ...state, ...changes };
    words = state.query.toLowerCase().split(/\s+/);
    for (const listener of listeners) listener();
  }

  /** Whether a sample fits; `without` names a filter that does not count, for the numbers beside its choices. */
  function fits(sample, without) {
    const { themes, subtheme, verdict, status, reason, tag } = state;
    if (without !== 'themes' && themes.length && !themes.includes(sample.theme)) return false;
    if (without !== 'subtheme' && subtheme && subthemeOf(sample) !== subtheme) return false;
    if (without !== 'status' && status && sample.status !== status) return false;
    if (without !== 'reason' && reason && sample.reason !== reason) return false;
    if (without !== 'tag' && tag && !tagged(sample, tag)) return false;
    if (without !== 'range' && !inRange(sample)) return false;
    if (without !== 'problems' && state.problems && !sample.problems) return false;
    if (without !== 'verdict' && verdict && !decided(sample, verdict)) return false;
    return words.every((word) => sample.text.includes(word));
  }

  function inRange(sample) {
    if (state.low === null && state.high === null) return true;
    const value = sample[state.metric];
    return value !== undefined && value >= (state.low ?? -Infinity) && value <= (state.high ?? Infinity);
  }

  function decided(sample, wanted) {
    const found = verdicts.of(sample.id);
    if (wanted === 'open') return !found || found.verdict === 'note';
    if (wanted === 'differ') return Boolean(verdicts.differ(sample.id));
    return wanted === 'note' ? Boolean(found?.note) : found?.verdict === wanted;
  }

  const tagged = (sample, tag) => Boolean(verdicts.of(sample.id)?.tags?.includes(tag));
  const subthemeOf = (sample) => (sample.subtheme ? `${sample.theme}/${sample.subtheme}` : '');

  /** The samples that fit, in the chosen order. */
  function chosen() {
    const found = data.samples.filter((sample) => fits(sample));
    const [, key, down] = /^(.*?)(-?)$/.exec(state.sort);
    if (key === 'id') return down ? found.reverse() : found;
    const sign = down ? -1 : 1;
    return found.sort((a, b) => {
      const [left, right] = [a[key], b[key]];
      if (left === undefined || right === undefined) return (left === undefined) - (right === undefined) || a.index - b.index;
      return sign * (left - right) || a.index - b.index;
    });
  }

  /** [value, name] of every order. */
  function sorts() {
    return [['id', 'By id'], ...data.metrics.flatMap(({ key, name }) => [[key, `${name}, lowest first`], [`${key}-`, `${name}, highest first`]])];
  }

  const active = () => JSON.stringify({ ...state, sort: '', metric: '' }) !== JSON.stringify({ ...initial(), sort: '', metric: '' });

  // --- in a link: only what differs from the start
  function toQuery() {
    const start = initial();
    const query = new URLSearchParams();
    if (state.query) query.set('q', state.query);
    if (state.themes.length) query.set('theme', state.themes.join(','));
    if (state.subtheme) query.set('subtheme', state.subtheme);
    for (const name of ['status', 'reason', 'tag']) if (state[name]) query.set(name, state[name]);
    if (state.low !== null || state.high !== null) query.set('range', `${state.metric}:${state.low ?? ''}:${state.high ?? ''}`);
    if (state.verdict) query.set('verdict', state.verdict);
    if (state.problems) query.set('problems', '1');
    if (state.sort !== start.sort) query.set('sort', state.sort);
    return query.toString();
  }

  function fromQuery(text) {
    if (ready && text === toQuery()) return; // nothing else than what is shown
    ready = true;
    const query = new URLSearchParams(text);
    const next = initial();
    next.query = query.get('q') || '';
    next.themes = (query.get('theme') || '').split(',').filter((theme) => data.themes.includes(theme));
    next.subtheme = data.samples.some((sample) => subthemeOf(sample) === query.get('subtheme')) ? query.get('subtheme') || '' : '';
    next.status = Object.hasOwn(SPARKLE.STATUSES, query.get('status') || '') ? query.get('status') : '';
    next.reason = data.samples.some(({ reason }) => reason === query.get('reason')) ? query.get('reason') : '';
    next.tag = verdicts.TAGS.includes(query.get('tag')) ? query.get('tag') : '';
    const [metric, low, high] = (query.get('range') || '').split(':');
    if (data.metrics.some(({ key }) => key === metric)) {
      next.metric = metric;
      next.low = number(low);
      next.high = number(high);
    }
    if (Object.hasOwn(VERDICTS, query.get('verdict') || '')) next.verdict = query.get('verdict');
    next.problems = query.get('problems') === '1';
    if (sorts().some(([value]) => value === query.get('sort'))) next.sort = query.get('sort');
    set(next);
  }

  const number = (text) => (text && Number.isFinite(Number(text)) ? Number(text) : null);

  SPARKLE.filters = {
    VERDICTS,
    state: () => state,
    set, fits, decided, tagged, chosen, sorts, active, toQuery, fromQuery, subthemeOf,
    reset: () => set({ ...initial(), sort: state.sort }),
    onChange: (listener) => listeners.push(listener),
  };
}

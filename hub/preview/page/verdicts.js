/* What the reviewer decided: kept in this browser, saved to and loaded from JSON lines.

   A line is {"id": ..., "verdict": "keep" | "drop" | "note", "note"?: ..., "source"?: ..., "release"?: ...},
   which `sparkle build --exclude` takes. The source is the sha256 of the clip that was seen: ids are numbers of
   a run, and a verdict must never fall on another run's clip. Verdicts on samples that this page does not show are kept and saved as well: a release that was built
   without them must go on without them. */
'use strict';

{
  const { storage, data } = SPARKLE;
  const KINDS = ['keep', 'drop', 'note'];
  const ID = /^Sparkle_(location|season|time|style|openve3m)_[0-9]{6,9}$/;
  const key = `sparkle-preview/verdicts${location.pathname.replace(/[^/]*$/, '')}`;

  const listeners = [];
  let found = read(storage.get(key)) || new Map();
  let saved = storage.get(`${key}#saved`);
  let remembers = true;

  function read(text) {
    if (text === null) return null;
    try { return parse(text); } catch { return null; }
  }

  function changed(id) {
    const kept = storage.set(key, toText());
    if (remembers && !kept) SPARKLE.toast('This browser keeps no verdicts: save them before you leave the page', 'bad');
    remembers = kept;
    for (const listener of listeners) listener(id);
  }

  /** A verdict of this page, on the clip that it shows. */
  function about(id, verdict, note) {
    const source = data.byId.get(id)?.source_sha256;
    return { verdict, ...(note && { note }), ...(source && { source }), release: data.name };
  }

  /** Decide, or take back what was decided when it is the same again. */
  function decide(id, verdict) {
    const before = found.get(id);
    const note = before?.note;
    if (before?.verdict === verdict || verdict === null) {
      if (note) found.set(id, about(id, 'note', note));
      else found.delete(id);
    } else {
      found.set(id, about(id, verdict, note));
    }
    changed(id);
  }

  function annotate(id, text) {
    const before = found.get(id);
    const note = text.trim();
    const verdict = before && before.verdict !== 'note' ? before.verdict : note ? 'note' : null;
    if (verdict === null) found.delete(id);
    else found.set(id, about(id, verdict, note));
    changed(id);
  }

  function toText() {
    const ids = [...found.keys()].sort();
    return ids.map((id) => `${JSON.stringify({ id, ...found.get(id) })}\n`).join('');
  }

  /** Verdicts of a file; throws an Error that names the line. */
  function parse(text) {
    const verdicts = new Map();
    text.replace(/^\ufeff/, '').split(/\r?\n/).forEach((line, index, lines) => {
      if (line === '' && index === lines.length - 1) return;
      const { id, verdict, note, ...seen } = parseLine(line, index + 1);
      const before = verdicts.get(id);
      const words = note ?? before?.note;
      const counts = verdict === 'note' && before ? before.verdict : verdict;
      verdicts.set(id, { verdict: counts, ...(words && { note: words }), ...seen });
    });
    return verdicts;
  }

  function parseLine(line, number) {
    if (ID.test(line)) return { id: line, verdict: 'drop' }; // a file of ids to leave out
    let value;
    try { value = JSON.parse(line); } catch { throw new Error(`line ${number} is no JSON`); }
    const { id, verdict, note, source, release } = value || {};
    if (typeof id !== 'string' || !ID.test(id)) throw new Error(`line ${number} has no id of a sample`);
    if (!KINDS.includes(verdict)) throw new Error(`line ${number}: the verdict is neither keep, drop nor note`);
    if (note !== undefined && typeof note !== 'string') throw new Error(`line ${number}: the note is no text`);
    for (const word of [source, release]) {
      if (word !== undefined && typeof word !== 'string') throw new Error(`line ${number}: source and release are text`);
    }
    return { id, verdict, note: note?.trim(), ...(source && { source }), ...(release && { release }) };
  }

  /** Take the verdicts of a file; they win over those that are here. Gives how many, and how many changed. */
  function load(text) {
    const verdicts = parse(text);
    for (const [id, { source }] of verdicts) {
      const here = data.byId.get(id)?.source_sha256;
      if (source && here && source !== here) throw new Error(`${id} is another clip here: these verdicts are of another run`);
    }
    let differ = 0;
    for (const [id, verdict] of verdicts) {
      if (JSON.stringify(found.get(id)) !== JSON.stringify(verdict)) differ += 1;
      found.set(id, verdict);
    }
    changed(null);
    return { count: verdicts.size, differ };
  }

  function save() {
    const text = toText();
    const url = URL.createObjectURL(new Blob([text], { type: 'application/jsonl' }));
    const name = `verdicts-${data.name.replace(/[^A-Za-z0-9._-]+/g, '-') || 'sparkle'}.jsonl`;
    const link = SPARKLE.h('a', { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
    saved = text;
    storage.set(`${key}#saved`, text);
    changed(null);
    return name;
  }

  /** How many of each kind, how many of samples that are not on this page, and whether a file has them. */
  function counts() {
    const totals = { keep: 0, drop: 0, note: 0, elsewhere: 0, all: found.size, unsaved: toText() !== (saved ?? '') };
    for (const [id, { verdict }] of found) {
      if (data.byId.has(id)) totals[verdict] += 1;
      else totals.elsewhere += 1;
    }
    return totals;
  }

  addEventListener('storage', (event) => { // another tab decided
    if (event.key !== key) return;
    found = read(event.newValue) || new Map();
    for (const listener of listeners) listener(null);
  });
  addEventListener('beforeunload', (event) => {
    if (!remembers && counts().unsaved) event.preventDefault();
  });

  SPARKLE.verdicts = {
    of: (id) => found.get(id) || null,
    onChange: (listener) => listeners.push(listener),
    decide, annotate, load, save, counts, toText,
  };
}

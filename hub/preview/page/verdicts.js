/* What reviewers decided: kept in this browser, saved to and loaded from JSON lines.

   A line is {"id", "verdict": "keep" | "drop" | "note", "tags"?, "note"?, "source"?, "release"?, "reviewer"?}, which
   `sparkle build --exclude` takes. The source is the sha256 of the clip that was seen: ids are numbers of a run, and a
   verdict must never fall on another run's clip. Verdicts on samples that this page does not show are kept and saved
   as well: a release that was built without them must go on without them.

   Here an empty reviewer is the one who looks at the page; the name is put in when a file is saved. */
'use strict';

{
  const { storage, data } = SPARKLE;
  const KINDS = ['keep', 'drop', 'note'];
  const TAGS = ['halo', 'leak', 'still', 'wrong scene', 'other']; // what is wrong with a pair, by the keys 1 to 5
  const ID = /^Sparkle_(location|season|time|style|openve3m)_[0-9]{6,9}$/;
  const key = `sparkle-preview/verdicts${location.pathname.replace(/[^/]*$/, '')}`;
  const nameKey = 'sparkle-preview/reviewer';

  const listeners = [];
  const past = []; // what was before each change: {ids: Map of id -> verdict, note: id of a note that is being written}
  let found = read(storage.get(key)) || new Map();
  let differing = readDiffering(); // id -> [{reviewer, verdict}]
  let saved = storage.get(`${key}#saved`);
  let remembers = true;

  function read(text) {
    if (text === null) return null;
    try { return parse(text); } catch { return null; }
  }

  function readDiffering() {
    try { return new Map(JSON.parse(storage.get(`${key}#differ`) || '[]')); } catch { return new Map(); }
  }

  function changed(id) {
    const kept = storage.set(key, toText());
    storage.set(`${key}#differ`, JSON.stringify([...differing]));
    if (remembers && !kept) SPARKLE.toast('This browser keeps no verdicts: save them before you leave the page', 'bad');
    remembers = kept;
    for (const listener of listeners) listener(id);
  }

  /** Puts verdicts in the place of others; null removes one. What was there can be taken back. */
  function put(changes, writing = null) {
    if ([...changes].every(([id, verdict]) => JSON.stringify(found.get(id) || null) === JSON.stringify(verdict))) return;
    if (writing === null || past.at(-1)?.writing !== writing) {
      past.push({ writing, ids: new Map([...changes.keys()].map((id) => [id, found.get(id) || null])), differing: new Map(differing) });
    }
    for (const [id, verdict] of changes) {
      if (verdict) found.set(id, verdict);
      else found.delete(id);
    }
    changed(changes.size === 1 ? [...changes.keys()][0] : null);
  }

  /** Take back the last change; gives the ids that it was about, null when there is none. */
  function undo() {
    const last = past.pop();
    if (!last) return null;
    for (const [id, verdict] of last.ids) {
      if (verdict) found.set(id, verdict);
      else found.delete(id);
    }
    differing = last.differing;
    changed(null);
    return [...last.ids.keys()];
  }

  /** A verdict as it is kept: in the order of a line, without what it does not say. */
  function tidy({ verdict, tags, note, source, release, reviewer: by }) {
    return { verdict, ...(tags?.length && { tags }), ...(note && { note }), ...(source && { source }), ...(release && { release }), ...(by !== undefined && { reviewer: by }) };
  }

  /** A verdict of this page, on the clip that it shows; null when it says nothing. */
  function about(id, { verdict, tags, note }) {
    if (verdict === 'note' && !tags?.length && !note) return null;
    return tidy({ verdict, tags, note, source: data.byId.get(id)?.source_sha256, release: data.name, reviewer: '' });
  }

  const before = (id) => found.get(id) || { verdict: 'note' };

  /** Decide, or take back what was decided when it is the same again. */
  function decide(id, verdict) {
    const same = before(id).verdict === verdict || verdict === null;
    const next = about(id, { ...before(id), verdict: same ? 'note' : verdict });
    put(new Map([[id, next]]));
    if (differing.delete(id)) changed(id);
  }

  function dropAll(ids) {
    put(new Map(ids.map((id) => [id, about(id, { ...before(id), verdict: 'drop' })])));
  }

  function tag(id, name) {
    const has = before(id).tags || [];
    const tags = [...new Set([...TAGS, ...has])].filter((one) => has.includes(one) !== (one === name));
    put(new Map([[id, about(id, { ...before(id), tags })]]));
  }

  function annotate(id, text) {
    put(new Map([[id, about(id, { ...before(id), note: text.trim() })]]), id);
  }

  /** All verdicts as lines, as this browser keeps them. */
  const toText = (named = (verdict) => verdict) => [...found.keys()].sort().map((id) => `${JSON.stringify({ id, ...named(found.get(id)) })}\n`).join('');

  /** A verdict with the name of who gave it, where that is known. */
  function named({ reviewer: who, ...verdict }) {
    const by = who === '' ? reviewer() : who;
    return { ...verdict, ...(by && { reviewer: by }) };
  }

  /** Verdicts of a file; throws an Error that names the line. */
  function parse(text) {
    const verdicts = new Map();
    text.replace(/^\ufeff/, '').split(/\r?\n/).forEach((line, index, lines) => {
      if (line === '' && index === lines.length - 1) return;
      const { id, verdict, tags, note, ...seen } = parseLine(line, index + 1);
      const last = verdicts.get(id);
      const [words, marks] = [note ?? last?.note, tags ?? last?.tags];
      const counts = verdict === 'note' && last ? last.verdict : verdict;
      verdicts.set(id, tidy({ ...seen, verdict: counts, tags: marks, note: words }));
    });
    return verdicts;
  }

  function parseLine(line, number) {
    if (ID.test(line)) return { id: line, verdict: 'drop' }; // a file of ids to leave out
    let value;
    try { value = JSON.parse(line); } catch { throw new Error(`line ${number} is no JSON`); }
    const { id, verdict, tags, note, source, release, reviewer } = value || {};
    if (typeof id !== 'string' || !ID.test(id)) throw new Error(`line ${number} has no id of a sample`);
    if (!KINDS.includes(verdict)) throw new Error(`line ${number}: the verdict is neither keep, drop nor note`);
    if (note !== undefined && typeof note !== 'string') throw new Error(`line ${number}: the note is no text`);
    for (const word of [source, release, reviewer]) {
      if (word !== undefined && typeof word !== 'string') throw new Error(`line ${number}: source, release and reviewer are text`);
    }
    if (tags !== undefined && !(Array.isArray(tags) && tags.every((one) => typeof one === 'string'))) throw new Error(`line ${number}: tags are a list of text`);
    return { id, verdict, tags, note: note?.trim(), source, release, reviewer };
  }

  /** Two reviewers' verdicts on a sample as one: the later one counts, a note changes no verdict, nothing said is lost. */
  function merge(first, second) {
    if (!first) return second;
    const verdict = second.verdict === 'note' ? first.verdict : second.verdict;
    const known = [...TAGS, ...(first.tags || []), ...(second.tags || [])];
    const tags = [...new Set(known)].filter((one) => first.tags?.includes(one) || second.tags?.includes(one));
    const notes = [first.note, second.note].filter(Boolean);
    const note = notes.length === 2 && notes[0].includes(notes[1]) ? notes[0] : notes.join(' · ');
    return tidy({ ...(second.verdict === 'note' ? first : second), verdict, tags, note });
  }

  /** Take the verdicts of files, given as {name, text}; the last one counts.

      Throws an Error that names file and line, and then takes nothing. Gives how many verdicts there were, how many are
      new or changed, and the ids on which reviewers differ. */
  function load(files) {
    const taken = files.map(({ name, text }) => {
      try {
        const verdicts = parse(text);
        for (const [id, verdict] of verdicts) {
          const { source } = verdict;
          if (verdict.reviewer && verdict.reviewer === reviewer()) verdict.reviewer = ''; // saved here before
          const here = data.byId.get(id)?.source_sha256;
          if (source && here && source !== here) throw new Error(`${id} is another clip here: these verdicts are of another run`);
        }
        return { name, verdicts };
      } catch (error) {
        throw new Error(`${name}: ${error.message}`);
      }
    });
    const [next, by, differ] = [new Map(), new Map(), new Map(differing)];
    let count = 0;
    for (const { name, verdicts } of taken) {
      count += verdicts.size;
      for (const [id, verdict] of verdicts) {
        const earlier = next.get(id) || found.get(id);
        const said = [[earlier, by.get(id) ?? 'an earlier file'], [verdict, name]].map(([one, file]) => one && { reviewer: one.reviewer ?? file, verdict: one.verdict });
        if (said.every((one) => one && one.verdict !== 'note') && said[0].verdict !== said[1].verdict && said[0].reviewer !== said[1].reviewer) {
          const all = [...(differ.get(id) || [said[0]]), said[1]];
          differ.set(id, all.filter((one, at) => all.findIndex((other) => other.reviewer === one.reviewer && other.verdict === one.verdict) === at));
        }
        next.set(id, merge(earlier, verdict));
        by.set(id, name);
      }
    }
    const changes = new Map([...next].filter(([id, verdict]) => JSON.stringify(found.get(id)) !== JSON.stringify(verdict)));
    put(changes);
    differing = differ;
    changed(null);
    return { count, changed: changes.size, differ: [...next.keys()].filter((id) => differ.has(id)) };
  }

  /** Save all of it as a file; gives its name. */
  function save() {
    const text = toText(named);
    const url = URL.createObjectURL(new Blob([text], { type: 'application/jsonl' }));
    const words = [data.name, reviewer()].filter(Boolean).map((word) => word.replace(/[^A-Za-z0-9._-]+/g, '-'));
    const name = `verdicts-${words.join('-') || 'sparkle'}.jsonl`;
    const link = SPARKLE.h('a', { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
    saved = toText();
    storage.set(`${key}#saved`, saved);
    changed(null);
    return name;
  }

  /** The name of the one who looks at the page; null when it was never asked for, empty when it was not given. */
  function reviewer(name) {
    if (name !== undefined) storage.set(nameKey, name.trim());
    return storage.get(nameKey);
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
    differ: (id) => differing.get(id) || null,
    anyDiffer: () => differing.size > 0,
    canUndo: () => past.length > 0,
    TAGS, decide, dropAll, tag, annotate, undo, load, save, reviewer, counts,
  };
}

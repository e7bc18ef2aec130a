/* What every script of the page builds on: the namespace, elements, settings, light and dark.

   Text of models and people is only ever set as text: nothing here or elsewhere parses HTML. */
'use strict';

const SPARKLE = {};

{
  const $ = (id) => document.getElementById(id);

  /** An element. Properties are set as such; `class`, `data` and `aria-...` as attributes. */
  function h(tag, properties, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties || {})) {
      if (value === undefined || value === null) continue;
      if (name === 'class') element.className = value;
      else if (name === 'data') Object.assign(element.dataset, value);
      else if (name.startsWith('aria-') || name === 'role' || name === 'for') element.setAttribute(name, value);
      else element[name] = value;
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return element;
  }

  function icon(name) {
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
    use.setAttribute('href', `#i-${name}`);
    svg.setAttribute('aria-hidden', 'true');
    svg.append(use);
    return svg;
  }

  function iconButton(name, label, key, properties) {
    const title = key ? `${label} (${key})` : label;
    return h('button', { type: 'button', class: 'button button--icon', 'aria-label': label, title, ...properties }, icon(name));
  }

  /* Storage may be refused (private windows): the page then works without a memory. */
  const storage = {
    get(key) {
      try { return localStorage.getItem(key); } catch { return null; }
    },
    set(key, value) {
      try { localStorage.setItem(key, value); return true; } catch { return false; }
    },
  };

  /** A setting of the reader's, kept between visits; `known` guards against what another version wrote. */
  function setting(name, initial, known) {
    const key = `sparkle-preview/${name}`;
    const found = storage.get(key);
    let value = found !== null && known.includes(found) ? found : initial;
    return {
      get: () => value,
      set(next) { value = next; storage.set(key, next); },
    };
  }

  // --- light and dark: the system's choice unless the reader makes another
  const themes = ['auto', 'light', 'dark'];
  const theme = setting('theme', 'auto', themes);
  const applyTheme = () => {
    if (theme.get() === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme.get();
  };
  applyTheme();
  function nextTheme() {
    theme.set(themes[(themes.indexOf(theme.get()) + 1) % themes.length]);
    applyTheme();
  }

  let lastToast;
  /** A message that goes away by itself. */
  function toast(text, kind, extra) {
    lastToast?.remove();
    const shown = h('div', { class: `toast toast--${kind || 'plain'}` }, h('p', null, text), extra || null);
    lastToast = shown;
    // Above a dialog that is open, which makes the rest of the page inert.
    const dialog = document.querySelector('dialog[open]');
    (document.fullscreenElement || dialog || document.body).append($('toasts'));
    $('toasts').append(shown);
    setTimeout(() => shown.remove(), kind === 'bad' || extra ? 12000 : 3500);
  }

  /** Ask in a dialog: true or what was typed; null when it was left. `input` is what a line to type in begins with. */
  function ask({ title, text, yes, input = null }) {
    const dialog = $('ask');
    return new Promise((resolve) => {
      // Answered at once and not by the dialog's `close`, which comes later: perhaps after the next question.
      const leave = (answer) => { dialog.close(); resolve(answer); };
      const line = input === null ? null : h('input', { type: 'text', value: input, maxLength: 80, 'aria-label': title });
      const done = () => leave(line ? line.value : true);
      if (line) line.onkeydown = (event) => { if (event.key === 'Enter') done(); };
      dialog.oncancel = () => resolve(null);
      dialog.replaceChildren(h('h2', { id: 'ask-title' }, title), h('p', null, text), ...(line ? [line] : []), h('div', { class: 'ask__buttons' },
        h('button', { type: 'button', class: 'button', onclick: () => leave(null) }, 'Cancel'),
        h('button', { type: 'button', class: 'button button--main', onclick: done }, yes)));
      dialog.showModal();
      line?.focus();
    });
  }

  /** The digit of a key on any layout: where it needs Shift, too. */
  const digitOf = (event) => /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1];

  const calm = matchMedia('(prefers-reduced-motion: reduce)');

  Object.assign(SPARKLE, { $, h, icon, iconButton, storage, setting, theme, nextTheme, toast, ask, digitOf, calm });
}

/* The samples: what `data/samples.js` hands over, and chunks of details when they are asked for. */
'use strict';

{
  const themes = ['location', 'season', 'time', 'style', 'openve3m'];

  // Numbers of a sample: column, name, what it says, digits, whether more is better (null: neither).
  const metrics = [
    { key: 'edited_video_score', name: 'Edited video', score: true, digits: 2, better: 1, about: 'Mean of the judge over four frames, 0 to 10' },
    { key: 'edited_frame0_score', name: 'Edited frame 0', score: true, digits: 2, better: 1, about: 'The judge of the edited first frame, 0 to 10' },
    { key: 'foreground_removed_score', name: 'Removed frame 0', score: true, digits: 2, better: 1, about: 'The judge of the first frame without its subject, 0 to 10' },
    { key: 'background_motion', name: 'Background motion', digits: 2, better: 1, about: 'Gray levels that the new background changes by in a quarter of a second' },
    { key: 'background_motion_inside', name: 'Motion where implied', digits: 2, better: 1, about: 'The same, only where the prompt implies motion' },
    { key: 'background_motion_outside', name: 'Motion elsewhere', digits: 2, better: null, about: 'The same, away from what the prompt implies to move' },
    { key: 'foreground_psnr', name: 'Foreground PSNR', digits: 1, unit: 'dB', better: 1, about: 'How exactly the subject was kept' },
    { key: 'flicker', name: 'Flicker', digits: 3, better: -1, about: 'Brightness that comes and goes between frames' },
    { key: 'mask_stability', name: 'Mask stability', digits: 3, better: 1, about: 'How alike neighbouring masks are, 0 to 1' },
    { key: 'sharpness', name: 'Sharpness', digits: 0, better: 1, about: 'Detail of the edited video' },
  ];

  // What can be looked at: kind of artifact, name, key that shows it on the right.
  const views = [
    { kind: 'source_video', name: 'Source', key: '1' },
    { kind: 'edited_video', name: 'Edited', key: '2' },
    { kind: 'edited_background_video', name: 'Background', key: '3' },
    { kind: 'edited_video_canny', name: 'Edges', key: '4' },
    { kind: 'source_video_mask', name: 'Mask', key: '5' },
    { kind: 'source_frame0', name: 'Source frame 0', key: '6' },
    { kind: 'edited_frame0', name: 'Edited frame 0', key: '7' },
    { kind: 'edited_frame0_foreground_removed', name: 'Removed frame 0', key: '8' },
  ];

  const data = { name: '', version: '', chunk: 1, thresholds: {}, samples: [], byId: new Map(), metrics: [], views, themes: [] };

  /** Called by data/samples.js. */
  SPARKLE.samples = (found) => {
    Object.assign(data, found);
    data.samples.forEach((sample, index) => {
      sample.index = index;
      sample.theme = /^Sparkle_([a-z0-9]+)_/.exec(sample.id)[1];
      sample.text = [sample.id, sample.prompt, sample.subtheme, sample.scene].filter(Boolean).join('\n').toLowerCase();
      data.byId.set(sample.id, sample);
    });
    data.themes = themes.filter((theme) => data.samples.some((sample) => sample.theme === theme));
    data.metrics = metrics.filter((metric) => data.samples.some((sample) => metric.key in sample));
  };

  // --- details, a chunk at a time
  const waiting = new Map(); // chunk -> promise
  const arrived = new Map(); // id -> details

  /** Called by data/details-NNNN.js. */
  SPARKLE.details = (found) => {
    for (const [id, details] of Object.entries(found)) arrived.set(id, details);
  };

  /** Boxes and reasonings of a sample; an empty object where there are none. */
  function detailsOf(sample) {
    const chunk = Math.floor(sample.index / data.chunk);
    if (!waiting.has(chunk)) {
      waiting.set(chunk, new Promise((resolve, reject) => {
        const script = document.createElement('script');
        script.src = `data/details-${String(chunk).padStart(4, '0')}.js`;
        script.onload = resolve;
        script.onerror = () => {
          waiting.delete(chunk);
          script.remove();
          reject(new Error(`${script.src} cannot be read`));
        };
        document.head.append(script);
      }));
    }
    return waiting.get(chunk).then(() => arrived.get(sample.id) || {});
  }

  const format = (metric, value) =>
    value === undefined ? '–' : value.toFixed(metric.digits) + (metric.unit ? ` ${metric.unit}` : '');

  /** 0 (at the threshold or below) to 1 (the best there can be) of a score: what its colour says. */
  function goodness(metric, value) {
    const least = data.thresholds[metric.key] ?? 5;
    return Math.max(0, Math.min(1, (value - least) / Math.max(10 - least, 0.1)));
  }

  Object.assign(SPARKLE, { data, detailsOf, format, goodness });
}

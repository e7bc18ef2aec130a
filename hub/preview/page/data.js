/* The samples: what `data/samples.js` hands over, and chunks of details when they are asked for. */
'use strict';

{
  const themes = ['location', 'season', 'time', 'style', 'openve3m'];

  // Numbers of a sample: column, name, unit and range, digits, whether more is better (null: neither), and what it is.
  const metrics = [
    { key: 'edited_video_score', name: 'Edited video', score: true, digits: 2, better: 1, unit: '0 to 10', about: 'The judge of the edited video, mean of four frames' },
    { key: 'edited_frame0_score', name: 'Edited first frame', score: true, digits: 2, better: 1, unit: '0 to 10', about: 'The judge of the edited first frame' },
    { key: 'foreground_removed_score', name: 'Subject removed', score: true, digits: 2, better: 1, unit: '0 to 10', about: 'The judge of the first frame without its subject' },
    { key: 'camera_short', name: 'Camera, near frames', digits: 2, better: null, unit: 'px per frame at 720p', about: 'What the source picture moves between neighbouring frames; higher is more motion of the camera' },
    { key: 'camera_long', name: 'Camera, far frames', digits: 2, better: null, unit: 'px per frame at 720p', about: 'What the source picture moves over many frames; higher is more motion of the camera' },
    { key: 'mask_coverage', name: 'Mask coverage', digits: 3, better: null, unit: 'share of the picture, 0 to 1', about: 'How much the mask of the subject covers, mean of all frames' },
    { key: 'background_motion', name: 'Background motion', digits: 2, better: 1, unit: 'gray levels, 0 to 255', about: 'What the new background changes by in a quarter of a second; below 0.01 it is frozen' },
    { key: 'background_motion_inside', name: 'Motion where implied', digits: 2, better: 1, unit: 'gray levels, 0 to 255', about: 'Background motion where the prompt implies motion, such as water' },
    { key: 'background_motion_outside', name: 'Motion elsewhere', digits: 2, better: null, unit: 'gray levels, 0 to 255', about: 'Background motion away from what the prompt implies to move; higher is more motion' },
    { key: 'foreground_psnr', name: 'Foreground PSNR', digits: 1, better: 1, unit: 'dB, up to 60', about: 'How exactly the subject was kept' },
    { key: 'flicker', name: 'Flicker', digits: 3, better: -1, unit: 'gray levels, 0 to 255', about: 'How much the brightness of the subject jitters where that of the scene does not' },
    { key: 'mask_stability', name: 'Mask stability', digits: 3, better: 1, unit: '0 to 1', about: 'How alike the masks of neighbouring frames are' },
    { key: 'sharpness', name: 'Sharpness', digits: 0, better: 1, unit: 'gray levels squared; depends on the picture', about: 'Detail of the edited video, by the variance of its Laplacian' },
  ];

  const STATUSES = { kept: 'Kept', rejected: 'Rejected', failed: 'Failed', unfinished: 'Not finished' };

  // What can be looked at: kind of artifact, name, key that shows it on the right (with Shift).
  const views = [
    { kind: 'source_video', name: 'Source', key: '1' },
    { kind: 'edited_video', name: 'Edited', key: '2' },
    { kind: 'edited_background_video', name: 'Background', key: '3' },
    { kind: 'edited_video_canny', name: 'Edges', key: '4' },
    { kind: 'source_video_mask', name: 'Mask', key: '5' },
    { kind: 'source_frame0', name: 'Source first frame', key: '6' },
    { kind: 'edited_frame0', name: 'Edited first frame', key: '7' },
    { kind: 'edited_frame0_foreground_removed', name: 'Subject removed', key: '8' },
  ];

  const data = { name: '', version: '', chunk: 1, limits: {}, samples: [], byId: new Map(), metrics: [], views, themes: [] };

  /** Called by data/samples.js. */
  SPARKLE.samples = (found) => {
    Object.assign(data, found);
    data.samples.forEach((sample, index) => {
      sample.index = index;
      sample.theme = /^Sparkle_([a-z0-9]+)_/.exec(sample.id)[1];
      sample.status = sample.ended?.status || 'kept';
      sample.reason = sample.ended ? `${sample.ended.step}: ${sample.ended.why.split(':')[0]}` : '';
      sample.text = [sample.id, sample.prompt, sample.subtheme, sample.scene, sample.source, sample.ended?.why].filter(Boolean).join('\n').toLowerCase();
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
    value === undefined ? '–' : value.toFixed(metric.digits) + (metric.unit.startsWith('dB') ? ' dB' : '');

  /** What a number is, its unit, and which way is better: what is said when the pointer rests on it. */
  function explain(metric) {
    const way = { 1: 'higher is better', '-1': 'lower is better' }[metric.better];
    return `${metric.about} (${[metric.unit, way].filter(Boolean).join('; ')}).`;
  }

  /** What the limits ask of a number, in words; empty where they ask nothing. */
  function asked(metric) {
    const [least, most] = data.limits[metric.key] || [null, null];
    if (least !== null && most !== null) return `${least} to ${most}`;
    return [least !== null && `at least ${least}`, most !== null && `at most ${most}`].filter(Boolean).join(', ');
  }

  function fitsLimits(metric, value) {
    const [least, most] = data.limits[metric.key] || [null, null];
    return value >= (least ?? -Infinity) && value <= (most ?? Infinity);
  }

  const leastOf = (metric) => data.limits[metric.key]?.[0] ?? 5;

  /** 0 (at the threshold or below) to 1 (the best there can be) of a score: what its colour says. */
  const goodness = (metric, value) => Math.max(0, Math.min(1, (value - leastOf(metric)) / Math.max(10 - leastOf(metric), 0.1)));

  Object.assign(SPARKLE, { data, detailsOf, format, explain, asked, fitsLimits, leastOf, goodness, STATUSES });
}

"use strict";
// Words are shown as text, never as HTML. What was rated stays in this browser until it is saved as a file.
(() => {
  const review = window.REVIEW;
  const { dimensions, lowest, highest, name: rubric } = review.rubric;
  const $ = (id) => document.getElementById(id);
  const store = `sparkle-review ${review.bench} ${review.set}`;
  let at = 0;

  const state = (() => {
    try {
      return { rater: "", ratings: {}, ...JSON.parse(localStorage.getItem(store) || "{}") };
    } catch {
      return { rater: "", ratings: {} };
    }
  })();
  const keep = () => {
    try {
      localStorage.setItem(store, JSON.stringify(state));
    } catch {
      $("told").textContent = "This browser keeps nothing: save before you close the page.";
    }
  };

  const blank = () => ({ raw: dimensions.map(() => null), note: "" });
  const rated = (token) => state.ratings[token]?.raw.every((score) => score !== null) ?? false;
  const begun = (token) => !rated(token) && (state.ratings[token]?.raw.some((score) => score !== null) ?? false);
  const count = (test) => review.edits.filter((edit) => test(edit.edit)).length;

  const sliders = dimensions.map((dimension, index) => {
    const row = document.createElement("div");
    const label = document.createElement("label");
    const input = Object.assign(document.createElement("input"), { type: "range", min: lowest, max: highest, step: 1 });
    const output = document.createElement("output");
    input.id = `slider-${dimension.key}`;
    label.htmlFor = input.id;
    label.textContent = dimension.heading;
    row.append(label, input, output);
    $("sliders").append(row);
    const take = () => {
      const { edit } = review.edits[at];
      state.ratings[edit] ??= blank();
      state.ratings[edit].raw[index] = Number(input.value);
      keep();
      draw();
    };
    // A click on the value that it has changes nothing, and is a rating all the same.
    for (const event of ["input", "change", "pointerup"]) input.addEventListener(event, take);
    input.addEventListener("keyup", (event) => {
      if (event.key !== "Tab" && event.key !== "Shift") take();
    });
    return { row, input, output };
  });

  const draw = () => {
    const { edit } = review.edits[at];
    const rating = state.ratings[edit] ?? blank();
    sliders.forEach(({ row, input, output }, index) => {
      const score = rating.raw[index];
      row.className = score === null ? "slider open" : "slider";
      if (score === null) input.value = (lowest + highest) / 2;
      else input.value = score;
      input.setAttribute("aria-valuetext", score === null ? "not rated" : String(score));
      output.textContent = score === null ? "–" : score;
    });
    $("place").textContent = `Edit ${at + 1} of ${review.edits.length}; ${count(rated)} rated`;
  };

  const show = (index) => {
    at = (index + review.edits.length) % review.edits.length;
    const edit = review.edits[at];
    $("prompt").textContent = edit.prompt;
    $("source").src = edit.source;
    $("edited").src = edit.edited;
    $("play").textContent = "Play";
    $("note").value = state.ratings[edit.edit]?.note ?? "";
    draw();
  };

  $("note").addEventListener("input", () => {
    const { edit } = review.edits[at];
    state.ratings[edit] ??= blank();
    state.ratings[edit].note = $("note").value;
    keep();
  });
  $("play").addEventListener("click", async () => {
    const videos = [$("source"), $("edited")];
    if (videos[0].paused) {
      videos[1].currentTime = videos[0].currentTime;
      await Promise.all(videos.map((video) => video.play()));
      $("play").textContent = "Pause";
    } else {
      for (const video of videos) video.pause();
      videos[1].currentTime = videos[0].currentTime;
      $("play").textContent = "Play";
    }
  });
  $("source").addEventListener("timeupdate", () => {
    const off = $("edited").currentTime - $("source").currentTime;
    if (Math.abs(off) > 0.1) $("edited").currentTime = $("source").currentTime;
  });
  $("back").addEventListener("click", () => show(at - 1));
  $("next").addEventListener("click", () => show(at + 1));
  $("open").addEventListener("click", () => {
    const ahead = review.edits.map((_, step) => (at + step) % review.edits.length);
    const open = ahead.find((index) => !rated(review.edits[index].edit));
    if (open === undefined) $("told").textContent = "Every edit is rated.";
    else show(open);
  });
  $("rater").value = state.rater;
  $("rater").addEventListener("input", () => {
    state.rater = $("rater").value;
    keep();
  });

  $("who").addEventListener("submit", (event) => {
    event.preventDefault();
    const rater = $("rater").value.trim();
    if (!rater) {
      $("told").textContent = "Give your name.";
      return;
    }
    const lines = review.edits.filter(({ edit }) => rated(edit)).map(({ edit }) => {
      const { raw, note } = state.ratings[edit];
      const line = { format: review.format, version: 1, bench: review.bench, rubric, rater, edit, raw };
      return `${JSON.stringify(note ? { ...line, note } : line)}\n`;
    });
    const left = count(begun);
    $("told").textContent =
      `${lines.length} of ${review.edits.length} saved` + (left ? `; ${left} begun, and not saved` : "");
    if (!lines.length) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(lines, { type: "application/jsonl" }));
    link.download = `ratings-${rater.replace(/[^A-Za-z0-9_-]+/g, "_")}.jsonl`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  });

  $("words").textContent = review.words;
  show(0);
})();

// One run: its verdicts, numbers, curves, units, pictures, and how to repeat it.

/** Show a run in its place beside the plane; returns what draws its plots again. */
function showRun(place, panel, id, onclose) {
  const run = panel.data.runs[id];
  const heading = element("h2", { tabindex: "-1" }, run.name);
  const parts = [
    element("div", { class: "buttons" }, button("Close", onclose)),
    heading,
    element("ul", {}, ...run.verdicts.map((line) => element("li", {}, line))),
    element("h3", {}, "To repeat it"),
    element("pre", {}, run.command),
    element("div", { class: "buttons" }, button("Copy command", () => copy(run.command, "command"))),
    element("p", { class: "note" }, run.made),
    element("h3", {}, `Numbers [${panel.unit}]`),
    numbersTable(run.metrics),
    element("h3", {}, "Curves"),
  ];
  const plots = [];
  if (run.curves) plots.push([plotPlace(parts, "curves"), drawCurves]);
  else parts.push(element("p", { class: "note" }, "Its history.csv cannot be read."));
  if (run.curves?.every > 1) parts.push(element("p", { class: "note" }, `One epoch in ${run.curves.every} is drawn.`));
  parts.push(element("h3", {}, "Rate of each unit"));
  if (run.units) plots.push([plotPlace(parts, "small"), drawUnits]);
  else parts.push(element("p", { class: "note" }, "Its record has no rate of single units."));
  parts.push(...pictureParts(run), settingsPart(run));
  place.replaceChildren(...parts);
  heading.focus({ preventScroll: true });
  const redraw = () => plots.forEach(([where, drawing]) => drawing(where, run, panel.unit));
  redraw();
  return redraw;
}

function plotPlace(parts, kind) {
  const place = element("div", { class: `plot ${kind}` });
  parts.push(place);
  return place;
}

function numbersTable(metrics) {
  const head = element("tr", {}, element("th", { scope: "col" }, "quantity"), ...metrics.splits.map((split) => element("th", { scope: "col" }, split)));
  const lines = metrics.lines.map(([word, ...texts]) =>
    element("tr", {}, element("th", { scope: "row" }, word), ...texts.map((text) => element("td", {}, text))),
  );
  const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...lines));
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Numbers of every split" }, table);
}

function pictureParts(run) {
  const figures = run.pictures.map(({ kind, words, uri }) =>
    element("figure", {}, element("figcaption", {}, words), element("img", { src: uri, alt: `${words}, of ${run.name}`, "data-kind": kind })),
  );
  const missing = run.tooLarge.length ? `Too large for this file: ${run.tooLarge.join(", ")} in ${run.folder}` : null;
  const none = figures.length || missing ? null : "The run has kept no pictures.";
  return [
    element("h3", {}, "Pictures"),
    ...figures,
    ...[missing, none].filter(Boolean).map((text) => element("p", { class: "note" }, text)),
  ];
}

function settingsPart(run) {
  const lines = run.settings.map(([name, text]) => element("tr", {}, element("th", { scope: "row" }, name), element("td", { class: "text" }, text)));
  const head = element("tr", {}, element("th", { scope: "col" }, "field"), element("th", { scope: "col", class: "text" }, "value"));
  const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...lines));
  const scroll = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Config" }, table);
  return element("details", {}, element("summary", {}, "Config"), scroll);
}

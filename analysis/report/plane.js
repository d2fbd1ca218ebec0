// The rate-distortion plane: a point a run, and what is known of where points can lie.

const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "x"];
const DASHES = ["solid", "dash", "dashdot", "dot"];
const MOST_BETAS = 7; // named beside the colours

/** Where a point stands: at its R, or left of the axis where that is undefined. */
function placeOf(panel, id) {
  return panel.data.numbers.rate[id] ?? -0.04 * panel.reach;
}

/** What is read where the pointer is. */
function hoverText(data, id) {
  const cell = (name) => data.cells[name]?.[id];
  const lines = [`β ${cell("β")}, seed ${cell("seed")}`, `D ${cell("D")}`, `R ${cell("R")}`, `I ${cell("I")}`, data.runs[id].verdict];
  return [`<b>${escaped(data.runs[id].name)}</b>`, ...lines.map(escaped)].join("<br>");
}

function escaped(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

function pointTraces(panel, ids, brushed) {
  const labels = panel.report.groups.length ? panel.report.groups : [`${panel.report.split} (bars: 2 s.e.)`];
  const traces = labels
    .map((label, group) => [label, group, ids.filter((id) => panel.data.group[id] === group || !panel.report.groups.length)])
    .filter(([, , own]) => own.length)
    .flatMap(([label, group, own]) => [points(panel, own, SYMBOLS[group], brushed), legendEntry(label, SYMBOLS[group])]);
  const { numbers } = panel.data;
  const wrong = ids.some((id) => numbers.impossible[id]) ? [legendEntry("impossible", "x-dot")] : [];
  const undefinedRate = ids.some((id) => numbers.rate[id] === null) ? [legendEntry("R undefined", "triangle-left")] : [];
  return [...traces, ...undefinedRate, ...wrong];
}

/** What a symbol is, in no beta's colour. */
function legendEntry(name, symbol) {
  return { type: "scatter", mode: "markers", name, x: [null], y: [null], marker: { symbol, size: 9, color: colour("pale") }, hoverinfo: "skip" };
}

function points(panel, own, symbol, brushed) {
  const numbers = panel.data.numbers;
  const errors = (key) => own.map((id) => 2 * (numbers[`${key}_stderr`][id] ?? 0));
  const bar = { type: "data", thickness: 1, width: 0, color: colour("pale") };
  return {
    type: "scatter",
    mode: "markers",
    showlegend: false,
    x: own.map((id) => placeOf(panel, id)),
    y: own.map((id) => numbers.distortion[id]),
    error_x: { ...bar, array: errors("rate") },
    error_y: { ...bar, array: errors("distortion") },
    customdata: own,
    text: own.map((id) => panel.hover[id]),
    hovertemplate: "%{text}<extra></extra>",
    marker: {
      size: 10,
      symbol: own.map((id) => symbolOf(numbers, id, symbol)),
      color: own.map((id) => panel.data.place[id] ?? 0.5),
      coloraxis: "coloraxis",
      line: { width: 1, color: own.map((id) => colour(numbers.impossible[id] ? "wrong" : "ground")) },
    },
    ...(brushed ? { selectedpoints: own.flatMap((id, place) => (brushed.has(id) ? [place] : [])) } : {}),
    unselected: { marker: { opacity: 0.2 } },
  };
}

function symbolOf(numbers, id, symbol) {
  if (numbers.impossible[id]) return "x-dot";
  return numbers.rate[id] === null ? "triangle-left" : symbol;
}

/** A shape of the source, or of the run that is open. */
function shapeTrace(shape, place) {
  const ink = { color: colour(shape.folder ? "accent" : "ink"), width: 1.4, dash: DASHES[place % DASHES.length] };
  return {
    type: "scatter",
    mode: shape.drawn === "line" ? "lines" : "markers",
    name: `${shape.line}: ${shape.kind}`,
    x: shape.rate,
    y: shape.distortion,
    line: ink,
    marker: { symbol: "triangle-down-open", size: 9, color: ink.color },
    hoverinfo: "text",
    text: `${escaped(shape.line)}<br>${escaped(shape.kind)}, ${escaped(shape.source)}`,
  };
}

/** What lies below a known H cannot be; the shade ends where the line does. */
function shadeTrace(line, floor) {
  return {
    type: "scatter",
    mode: "none",
    x: [...line.rate, line.rate[1], line.rate[0]],
    y: [...line.distortion, Math.min(floor, line.distortion[1]), Math.min(floor, line.distortion[1])],
    fill: "toself",
    fillcolor: colour("shade"),
    hoverinfo: "skip",
    name: "infeasible: D + R < H",
  };
}

function openTrace(panel, id) {
  return {
    type: "scatter",
    mode: "markers",
    x: [placeOf(panel, id)],
    y: [panel.data.numbers.distortion[id]],
    marker: { symbol: "circle-open", size: 20, line: { width: 3 }, color: colour("accent") },
    hoverinfo: "skip",
    showlegend: false,
  };
}

/** Colours of beta, darker ones left out on a dark ground and paler ones on a pale one. */
function betaScale(report) {
  const step = Math.ceil(report.scale.length / MOST_BETAS);
  const named = report.scale.filter((_, place) => place % step === 0 || place === report.scale.length - 1);
  return {
    colorscale: "Viridis",
    cmin: isDark() ? -0.45 : 0,
    cmax: isDark() ? 1 : 1.2,
    showscale: report.scale.length > 1,
    colorbar: {
      orientation: "h", x: 0.5, xanchor: "center", y: 1.02, yanchor: "bottom", len: 0.95, thickness: 8, outlinewidth: 0,
      title: { text: "β", side: "top" }, tickvals: named.map(({ place }) => place), ticktext: named.map(({ beta }) => beta),
    },
  };
}

function planeTraces(panel, ids, brushed, open) {
  const folder = open === null ? null : panel.data.runs[open].folder;
  const shapes = panel.data.shapes.filter((shape) => !shape.folder || shape.folder === folder);
  const known = panel.data.shapes.find((shape) => shape.line === "D + R = H");
  const shade = known ? [shadeTrace(known, panel.floor)] : [];
  const ring = open !== null && ids.includes(open) ? [openTrace(panel, open)] : [];
  return [...shade, ...shapes.map(shapeTrace), ...pointTraces(panel, ids, brushed), ...ring];
}

/** Draw the plane with the runs that are shown; its zoom stays. */
function drawPlane(place, panel, ids, { brushed, open, dragmode }) {
  const shape = layout({
    dragmode,
    selections: [],
    uirevision: "zoom",
    selectionrevision: brushed ? "kept" : "cleared",
    hovermode: "closest",
    coloraxis: betaScale(panel.report),
    legend: { orientation: "h", x: 0, y: -0.2, yanchor: "top", font: { size: 11 } },
    margin: { l: 56, r: 12, t: 48, b: 44 },
    xaxis: axis(`rate R [${panel.unit}]`, { range: [-0.06 * panel.reach, 1.06 * panel.reach], zeroline: false }),
    yaxis: axis(`distortion D [${panel.unit}]`, { range: panel.heights, zeroline: false }),
  });
  const words = `Rate-distortion plane of ${plural(ids.length, "run")}; the table of runs holds the same numbers`;
  return draw(place, planeTraces(panel, ids, brushed, open), shape, words);
}

/** The ends of D that hold all points with a margin, and of the source's lines what lies near them. */
function heightsOf(numbers) {
  const known = numbers.distortion;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const margin = 0.08 * (high - low || Math.abs(high) || 1);
  return [low - margin, high + margin];
}

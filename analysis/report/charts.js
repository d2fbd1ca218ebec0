// The plots beside the plane: curves and units of one run, units of all runs.

const QUIET = { displayModeBar: false, responsive: true, showTips: false };

/** What all plots have in common. */
function layout(more = {}) {
  const ink = colour("ink");
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 12, color: ink },
    margin: { l: 52, r: 12, t: 12, b: 44 },
    hoverlabel: { bgcolor: colour("raised"), bordercolor: colour("pale"), font: { color: ink }, align: "left" },
    ...more,
  };
}

function axis(title, more = {}) {
  const line = { gridcolor: colour("grid"), linecolor: colour("pale"), zerolinecolor: colour("line") };
  return { title: { text: title, standoff: 6 }, automargin: true, ticks: "outside", tickcolor: colour("pale"), ...line, ...more };
}

/** Draw into an element, or over what is there; a plot is one picture for a screen reader. */
function draw(place, traces, shape, words) {
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", words);
  return Plotly.react(place, traces, shape, QUIET);
}

/** Draw when what is seen first stands. */
function later(drawing) {
  requestAnimationFrame(() => setTimeout(drawing));
}

const CURVES = { distortion: "D", rate: "R", elbo: "ELBO" };

/** D, R and the ELBO by epoch, of training and validation. */
function drawCurves(place, run, unit) {
  const names = Object.keys(CURVES);
  const dashes = { train: "dot", val: "solid" };
  const traces = names.flatMap((name, row) =>
    Object.keys(dashes)
      .filter((split) => run.curves[split])
      .map((split) => ({
        x: run.curves[split].epoch.map((epoch) => epoch + 1),
        y: run.curves[split][name],
        name: split,
        legendgroup: split,
        showlegend: row === 0,
        yaxis: row ? `y${row + 1}` : "y",
        mode: run.curves[split].epoch.length > 1 ? "lines" : "markers",
        line: { color: colour(split), width: 1.6, dash: dashes[split] },
        hovertemplate: `%{y:.4g}<extra>${split}, epoch %{x}</extra>`,
      })),
  );
  const kept = run.curves.kept === null ? [] : [
    { type: "line", x0: run.curves.kept + 1, x1: run.curves.kept + 1, yref: "paper", y0: 0, y1: 1, line: { color: colour("pale"), width: 1, dash: "dash" } },
  ];
  const shape = layout({
    shapes: kept,
    legend: { orientation: "h", x: 0, y: 1.08 },
    margin: { l: 56, r: 12, t: 28, b: 44 },
    xaxis: axis("epoch (dashed: the one kept)", { anchor: "y3" }),
    yaxis: axis(`D [${unit}]`, { domain: [0.7, 1] }),
    yaxis2: axis("R", { domain: [0.35, 0.65] }),
    yaxis3: axis("ELBO", { domain: [0, 0.3] }),
  });
  return draw(place, traces, shape, curveWords(run, unit));
}

function curveWords(run, unit) {
  const of = run.curves.val?.epoch.length ? "val" : "train";
  const ends = Object.entries(CURVES).map(([name, word]) => {
    const values = run.curves[of][name].filter((value) => value !== null);
    return values.length ? `${word} from ${values[0]} to ${values.at(-1)}` : `${word} undefined`;
  });
  return `Curves by epoch, ${of}: ${ends.join(", ")} ${unit}`;
}

/** The rate of each unit of one run, the largest first. */
function drawUnits(place, run, unit) {
  const order = run.units.rate.map((_, unitPlace) => unitPlace).sort((a, b) => run.units.rate[b] - run.units.rate[a]);
  const trace = {
    type: "bar",
    x: order.map((_, rank) => rank + 1),
    y: order.map((unitPlace) => run.units.rate[unitPlace]),
    error_y: { type: "data", array: order.map((unitPlace) => 2 * (run.units.stderr[unitPlace] ?? 0)), thickness: 1, width: 2, color: colour("ink") },
    marker: { color: colour("val") },
    customdata: order,
    hovertemplate: `unit %{customdata}: %{y:.4g} ${unit}<extra></extra>`,
  };
  const shape = layout({ xaxis: axis("unit, by its rate"), yaxis: axis(`rate [${unit}]`, { rangemode: "tozero" }) });
  const largest = order.slice(0, 5).map((unitPlace) => `unit ${unitPlace} ${run.units.rate[unitPlace]}`);
  return draw(place, [trace], shape, `Rates of ${plural(order.length, "unit")}, bars of 2 standard errors: ${largest.join(", ")} ${unit}`);
}

/** The rates of all units of all runs that are shown: a column a run, the largest rate first. */
function drawCollapse(place, panel, ids) {
  const runs = ids.filter((id) => panel.data.runs[id].units);
  const sorted = runs.map((id) => [...panel.data.runs[id].units.rate].sort((a, b) => b - a));
  const most = Math.max(0, ...sorted.map((rates) => rates.length));
  const trace = {
    type: "heatmap",
    z: Array.from({ length: most }, (_, rank) => sorted.map((rates) => rates[rank] ?? null)),
    x: runs.map((_, column) => column),
    y: Array.from({ length: most }, (_, rank) => rank + 1),
    customdata: Array.from({ length: most }, () => runs.map((id) => panel.hover[id])),
    colorscale: isDark() ? "Cividis" : "Viridis",
    colorbar: { title: { text: `rate [${panel.unit}]`, side: "right" }, thickness: 10, outlinewidth: 0 },
    hovertemplate: `%{customdata}<br>rank %{y}: %{z:.4g} ${panel.unit}<extra></extra>`,
  };
  const ticks = columnTicks(runs.map((id) => panel.data.cells["β"][id]));
  const shape = layout({
    xaxis: axis("β of the runs", { tickvals: ticks.map(([at]) => at), ticktext: ticks.map(([, word]) => word), showgrid: false, zeroline: false }),
    yaxis: axis("unit, by its rate", { autorange: "reversed", showgrid: false, zeroline: false }),
  });
  return draw(place, [trace], shape, `Rates of the units of ${plural(runs.length, "run")}, in order of beta; the numbers of each run are in its details`);
}

/** The frontier of each group: means over seeds, and the curve through those that no other beats on validation. */
function drawFrontier(place, panel) {
  const { groups } = panel.report;
  const inks = ["val", "train", "ink", "accent", "pale", "wrong"].map(colour);
  const traces = panel.data.frontiers.flatMap((one, order) => {
    const look = { color: inks[order % inks.length], width: 1.6, dash: DASHES[order % DASHES.length] };
    const name = groups.length ? groups[one.place] : "frontier";
    const bar = (key) => ({ type: "data", array: one[`${key}_stderr`].map((error) => 2 * (error ?? 0)), color: look.color, thickness: 1, width: 0 });
    const curve = one.curve ? [{ mode: "lines", x: one.curve.rate, y: one.curve.distortion, line: look, hoverinfo: "skip", name, legendgroup: name }] : [];
    const points = {
      mode: "markers",
      x: one.rate,
      y: one.distortion,
      error_x: bar("rate"),
      error_y: bar("distortion"),
      marker: { symbol: one.front.map((isOn) => SYMBOLS[one.place] + (isOn ? "" : "-open")), size: 8, color: look.color },
      text: one.rate.map((rate, at) => `β ${one.beta[at]}<br>D ${one.distortion[at].toPrecision(5)}<br>R ${rate.toPrecision(5)}<br>${plural(one.seeds[at], "seed")}${one.front[at] ? "" : ", beaten on validation"}`),
      hovertemplate: `%{text}<extra>${escaped(name)}</extra>`,
      name,
      legendgroup: name,
      showlegend: !one.curve,
    };
    return [...curve, points];
  });
  const shape = layout({
    hovermode: "closest",
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 11 } },
    xaxis: axis(`rate R [${panel.unit}]`, { zeroline: false }),
    yaxis: axis(`distortion D [${panel.unit}]`, { zeroline: false }),
  });
  return draw(place, traces, shape, `Frontiers of ${plural(panel.data.frontiers.length, "group")}, means over seeds with bars of 2 standard errors`);
}

const MOST_TICKS = 12;

/** A tick at the middle of the columns of each beta, of some where there are many. */
function columnTicks(words) {
  const middles = [...new Set(words)].map((word) => [(words.indexOf(word) + words.lastIndexOf(word)) / 2, word]);
  const step = Math.ceil(middles.length / MOST_TICKS);
  return middles.filter((_, place) => place % step === 0);
}

// One data set: the plane, the filters, the table and the run that is open go together.

const isTouch = window.matchMedia("(pointer: coarse)");

/** Build the panel of a data set into its place. */
function showPanel(place, report, data) {
  const panel = {
    report,
    data,
    unit: report.unit,
    reach: Math.max(...data.numbers.rate.map((rate) => rate ?? 0)) || 1,
    heights: heightsOf(data.numbers),
    floor: heightsOf(data.numbers)[0],
    hover: data.runs.map((_, id) => hoverText(data, id)),
  };
  const all = data.runs.map((_, id) => id);
  const state = { test: () => true, brushed: null, open: null, order: { column: null, descending: false }, dragmode: isTouch.matches ? false : "select" };
  const parts = panelParts(panel, state, refresh);
  place.replaceChildren(...parts.all);
  let redrawRun = () => {};

  function passing() {
    return all.filter((id) => state.test(id));
  }

  function listed() {
    return sorted(data, passing().filter((id) => !state.brushed || state.brushed.has(id)), state.order);
  }

  function refresh(change = {}) {
    Object.assign(state, change);
    const drawn = drawPlane(parts.plane, panel, passing(), state);
    list();
    later(() => drawCollapse(parts.collapse, panel, passing()));
    return drawn;
  }

  function drawFrontiers() {
    if (data.frontiers.length) later(() => drawFrontier(parts.frontier, panel));
  }

  function list() {
    const ids = listed();
    parts.head.replaceChildren(headRow(data, state.order, sortBy));
    parts.body.replaceChildren(...ids.map((id) => bodyRow(panel, id, { open: state.open, onopen: open })));
    parts.body.querySelector("button[data-run]")?.setAttribute("tabindex", "0");
    parts.count.textContent = `${ids.length} of ${plural(all.length, "run")}`;
  }

  function sortBy(column) {
    state.order = { column, descending: state.order.column === column && !state.order.descending };
    list();
    parts.head.querySelector(`button[data-column="${CSS.escape(column)}"]`).focus();
    announce(`sorted by ${column}, ${state.order.descending ? "descending" : "ascending"}`);
  }

  function open(id) {
    state.open = id;
    refresh();
    parts.detail.hidden = false;
    redrawRun = showRun(parts.detail, panel, id, close);
    parts.detail.scrollIntoView({ block: "nearest" });
  }

  function close() {
    const id = state.open;
    refresh({ open: null });
    redrawRun = () => {};
    parts.detail.replaceChildren(hint());
    const name = parts.body.querySelector(`button[data-run="${id}"]`) ?? parts.body.querySelector("button[data-run]");
    name?.focus();
  }

  function brush(ids) {
    state.brushed = ids;
    list();
    announce(ids ? `${plural(ids.size, "run")} selected` : "selection cleared");
    parts.clear.hidden = !ids;
  }

  parts.form.append(filters(data, (test) => {
    refresh({ test });
    announce(parts.count.textContent);
  }));
  parts.clear.addEventListener("click", () => {
    brush(null);
    refresh();
  });
  for (const [word, textOf] of Object.entries(COPIES)) {
    parts.copies.append(button(`Copy ${word}`, () => copy(textOf(data, listed()), `${plural(listed().length, "row")} of ${word}`)));
  }
  rowKeys(parts.body);
  parts.detail.replaceChildren(hint());
  const drawn = refresh();
  drawFrontiers();
  const idsOf = (event) => event.points.map((point) => point.customdata).filter((id) => id !== undefined);
  parts.plane.on("plotly_click", (event) => {
    const [id] = idsOf(event);
    if (id !== undefined) open(id);
  });
  parts.plane.on("plotly_selected", (event) => event && brush(new Set(idsOf(event))));
  parts.plane.on("plotly_deselect", () => brush(null));
  redraws.add(() => {
    if (place.hidden) return;
    refresh();
    drawFrontiers();
    redrawRun();
  });
  return drawn;
}

function hint() {
  return element("p", { class: "note" }, "Choose a run: click its point, or press Enter on its name in the table.");
}

/** The elements of a panel; what they hold comes with `refresh`. */
function panelParts(panel, state, refresh) {
  const part = (tag, attributes = {}) => element(tag, attributes);
  const plane = part("div", { class: "plot plane" });
  const collapse = part("div", { class: "plot small" });
  const frontier = part("div", { class: "plot middle" });
  const detail = part("section", { class: "detail card", "aria-label": "The run that is open", tabindex: "0" });
  const form = part("details", { class: "card", open: !isTouch.matches });
  form.append(element("summary", {}, "Filters"));
  const clear = button("Clear selection", () => {}, { hidden: true });
  const [head, body, count] = [part("thead"), part("tbody"), part("span", { class: "note", "data-count": true })];
  const copies = element("div", { class: "buttons" }, count);
  const table = element("table", {}, element("caption", { class: "unseen" }, `Runs of ${panel.data.name}`), head, body);
  const scroll = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of runs" }, table);
  const top = element(
    "section",
    { "aria-label": "Rate-distortion plane" },
    element("h2", {}, "Plane"),
    element("div", { class: "buttons" }, ...dragButtons(state, refresh), clear),
    plane,
  );
  const basis = element("p", { class: "basis note" }, [panel.data.basis, panel.report.note].filter(Boolean).join(" "));
  const runs = element("section", { "aria-label": "Runs" }, element("h2", {}, "Runs"), copies, scroll);
  const units = element("section", { "aria-label": "Rates of units" }, element("h2", {}, "Collapse: the rate of each unit"), collapse);
  const words = "Of all runs, whatever the filters: means over seeds with bars of 2 standard errors; open points are beaten on validation.";
  const fronts = element("section", { "aria-label": "Frontiers", hidden: !panel.data.frontiers.length }, element("h2", {}, "Frontier"), element("p", { class: "note" }, words), frontier);
  return { all: [basis, top, detail, form, runs, fronts, units], plane, collapse, frontier, detail, form, clear, head, body, count, copies };
}

/** What dragging over the plane does: select runs, or zoom; pressed again, it scrolls the page. */
function dragButtons(state, refresh) {
  const modes = { Select: "select", Zoom: "zoom" };
  const made = Object.entries(modes).map(([word, mode]) =>
    button(word, () => {
      refresh({ dragmode: state.dragmode === mode ? false : mode });
      show();
    }),
  );
  const show = () => Object.values(modes).forEach((mode, place) => made[place].setAttribute("aria-pressed", String(state.dragmode === mode)));
  show();
  return made;
}

// The table of runs: sorted by any column, and copied as the reader's paper needs it.

const COPIES = { LaTeX: latexText, Markdown: markdownText, CSV: csvText };

/** What a column is sorted by: its number where it has one, else its text. */
function sortKey(data, column, id) {
  if (column === "run") return data.runs[id].name;
  if (column === "D + R") return data.numbers.elbo[id] === null ? null : -data.numbers.elbo[id];
  const name = data.sortedBy[column];
  return name ? data.numbers[name][id] : data.cells[column]?.[id] ?? data.runs[id].verdict;
}

/** The runs in the order asked for; what is undefined comes last, and equals stay as they were. */
function sorted(data, ids, { column, descending }) {
  if (column === null) return ids;
  const sign = descending ? -1 : 1;
  const keys = new Map(ids.map((id) => [id, sortKey(data, column, id)]));
  return [...ids].sort((a, b) => {
    const [one, other] = [keys.get(a), keys.get(b)];
    if (one === null || other === null) return (one === null) - (other === null);
    return sign * (typeof one === "number" ? one - other : String(one).localeCompare(String(other), "en", { numeric: true }));
  });
}

function columnsOf(data) {
  return ["run", ...Object.keys(data.cells), "verdict"];
}

function headRow(data, order, onsort) {
  const cells = columnsOf(data).map((column) => {
    const isSorted = order.column === column;
    const direction = isSorted ? (order.descending ? "descending" : "ascending") : null;
    const arrow = isSorted ? (order.descending ? " ▼" : " ▲") : "";
    const head = button(column + arrow, () => onsort(column), { "data-column": column });
    return element("th", { scope: "col", "aria-sort": direction, class: isText(column) && "text" }, head);
  });
  return element("tr", {}, ...cells);
}

function isText(column) {
  return column === "run" || column === "verdict";
}

function bodyRow(panel, id, { open, onopen }) {
  const { data } = panel;
  const isOpen = open === id;
  const name = button(data.runs[id].name, () => onopen(id), { "data-run": id, tabindex: "-1", "aria-pressed": null, "aria-expanded": String(isOpen) });
  const cells = Object.keys(data.cells).map((column) => element("td", {}, data.cells[column][id]));
  const classes = [isOpen && "open", data.numbers.impossible[id] && "wrong"].filter(Boolean).join(" ");
  return element(
    "tr",
    { class: classes || null, title: data.numbers.impossible[id] || null },
    element("th", { scope: "row" }, name),
    ...cells,
    element("td", { class: "text" }, data.runs[id].verdict),
  );
}

/** The rows are one stop of the tab key; arrows, Home and End lead from row to row. */
function rowKeys(body) {
  const names = () => [...body.querySelectorAll("button[data-run]")];
  const steps = { ArrowDown: (at) => at + 1, ArrowUp: (at) => at - 1, Home: () => 0, End: () => Infinity };
  body.addEventListener("keydown", (event) => {
    const all = names();
    const at = all.indexOf(document.activeElement);
    if (at < 0 || !(event.key in steps)) return;
    event.preventDefault();
    all[Math.min(Math.max(steps[event.key](at), 0), all.length - 1)].focus();
  });
  body.addEventListener("focusin", (event) => {
    if (!event.target.matches("button[data-run]")) return;
    names().forEach((name) => name.setAttribute("tabindex", name === event.target ? "0" : "-1"));
  });
}

function latexText(data, ids) {
  const columns = Object.keys(data.latex);
  const line = (cells) => `${cells.join(" & ")} \\\\`;
  const rows = ids.map((id) => line(columns.map((column) => data.latex[column][id])));
  const aligned = "r".repeat(columns.length);
  return [`\\begin{tabular}{${aligned}}`, "\\toprule", line(columns), "\\midrule", ...rows, "\\bottomrule", "\\end{tabular}", ""].join("\n");
}

function markdownText(data, ids) {
  const columns = Object.keys(data.cells);
  const line = (cells) => `| ${cells.map((cell) => String(cell).replaceAll("|", "\\|")).join(" | ")} |`;
  const rows = ids.map((id) => line(columns.map((column) => data.cells[column][id])));
  return [line(columns), `|${" ---: |".repeat(columns.length)}`, ...rows, ""].join("\n");
}

/** Every number unrounded. */
function csvText(data, ids) {
  const columns = Object.keys(data.numbers);
  const quoted = (value) => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const line = (cells) => cells.map((cell) => quoted(cell === null ? "" : String(cell))).join(",");
  return [line(columns), ...ids.map((id) => line(columns.map((column) => data.numbers[column][id]))), ""].join("\n");
}

// Which runs are shown: by the fields that differ between them, and by ranges of beta, R and D.

const RANGES = { β: "beta", R: "rate", D: "distortion" };

/** The fields of a data set with their controls; `onchange` is called with a test of a run. */
function filters(data, onchange) {
  const tests = new Map();
  const controls = [];
  const changed = () => onchange((id) => [...tests.values()].every((test) => test(id)));
  const set = (name, test) => {
    if (test) tests.set(name, test);
    else tests.delete(name);
    changed();
  };
  for (const field of data.fields) controls.push(choice(data, field, set));
  for (const [word, name] of Object.entries(RANGES)) controls.push(range(data, word, name, set));
  const form = element("form", { class: "filters", onsubmit: (event) => event.preventDefault() }, ...controls);
  form.append(button("Show all", () => {
    form.reset();
    tests.clear();
    changed();
  }));
  return form;
}

function choice(data, field, set) {
  const values = [...new Set(data.numbers[field].map(String))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const list = element(
    "select",
    { "data-field": field, onchange: (event) => set(field, event.target.value && ((id) => `=${data.numbers[field][id]}` === event.target.value)) },
    element("option", { value: "" }, "all"),
    ...values.map((value) => element("option", { value: `=${value}` }, value)),
  );
  return element("label", {}, field.replaceAll("_", " "), list);
}

function range(data, word, name, set) {
  const ends = ["least", "most"].map((end) => element("input", { type: "number", step: "any", "aria-label": `${word}, ${end}`, "data-end": `${name}-${end}` }));
  const read = () => {
    const [low, high] = ends.map((end) => (end.value === "" ? null : Number(end.value)));
    const test = (id) => {
      const value = data.numbers[name][id];
      return value !== null && (low === null || value >= low) && (high === null || value <= high);
    };
    set(name, low === null && high === null ? null : test);
  };
  ends.forEach((end) => end.addEventListener("input", read));
  return element("fieldset", {}, element("legend", {}, word), element("div", { class: "ends" }, ends[0], "to", ends[1]));
}

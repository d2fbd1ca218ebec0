// What the page begins with: its data, a tab for each data set, and the first one shown.

const report = JSON.parse(document.getElementById("data").textContent);

function startTabs(places) {
  const bar = document.getElementById("tabs");
  bar.hidden = places.length < 2;
  const tabs = report.dataSets.map((data, place) =>
    button(data.name, () => choose(place), { role: "tab", id: `tab-${place}`, "aria-controls": `panel-${place}` }),
  );
  bar.replaceChildren(...tabs);
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const next = (tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length;
    choose(next);
    tabs[next].focus();
  });

  function choose(chosen) {
    tabs.forEach((tab, place) => {
      tab.setAttribute("aria-selected", String(place === chosen));
      tab.setAttribute("tabindex", place === chosen ? "0" : "-1");
      places[place].hidden = place !== chosen;
    });
    if (places[chosen].childElementCount) redraws.forEach((redraw) => redraw());
    else return showPanel(places[chosen], report, report.dataSets[chosen]);
  }
  return choose;
}

function start() {
  const runs = report.dataSets.reduce((sum, data) => sum + data.runs.length, 0);
  const sets = report.dataSets.length > 1 ? ` of ${report.dataSets.length} data sets` : ` of ${report.dataSets[0].name}`;
  document.getElementById("summary").textContent = `${plural(runs, "run")}${sets}, ${report.split} split, ${report.unit}`;
  document.getElementById("command").textContent = report.command;
  const several = report.dataSets.length > 1;
  const places = report.dataSets.map((_, place) =>
    element("div", { class: "panel", id: `panel-${place}`, hidden: true, ...(several ? { role: "tabpanel", "aria-labelledby": `tab-${place}` } : {}) }),
  );
  document.getElementById("content").replaceChildren(...places);
  startTheme();
  Promise.resolve(startTabs(places)(0)).then(() => {
    document.documentElement.dataset.drawn = String(Math.round(performance.now()));
  });
}

start();

// Light or dark: as the reader's system has it, until the button says otherwise.

const darkSystem = window.matchMedia("(prefers-color-scheme: dark)");
const redraws = new Set(); // What draws with colours of its own.

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : darkSystem.matches;
}

/** A colour of the style sheet as a plot takes it. */
function colour(name) {
  const probe = document.getElementById("status");
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

function showTheme() {
  document.getElementById("theme").setAttribute("aria-pressed", String(isDark()));
  redraws.forEach((redraw) => redraw());
}

function startTheme() {
  document.getElementById("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
  });
  darkSystem.addEventListener("change", showTheme);
  showTheme();
}

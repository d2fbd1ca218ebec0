// Elements, words for readers who do not see the page, and the clipboard.

/** An element with attributes (on... are listeners) and children, texts among them. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function button(text, onclick, attributes = {}) {
  return element("button", { type: "button", onclick, ...attributes }, text);
}

/** Say something that a screen reader is to read now. */
function announce(text) {
  document.getElementById("status").textContent = text;
}

/** Copy a text and say so; a page that was opened as a file may have no clipboard but the old command. */
async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    if (!copiedByCommand(text)) {
      announce(`${what} could not be copied`);
      return;
    }
  }
  announce(`${what} copied`);
}

function copiedByCommand(text) {
  const field = element("textarea", { class: "unseen", "aria-hidden": "true" });
  const before = document.activeElement;
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  before?.focus();
  return done;
}

function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

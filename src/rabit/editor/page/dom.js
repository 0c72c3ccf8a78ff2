// Small help with the page's elements.

export const $ = (id) => document.getElementById(id);

// Makes an element: properties are set, those with a dash are attributes.
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", "#i-" + name);
  svg.append(use);
  svg.setAttribute("aria-hidden", "true");
  return svg;
}

// Shows an error or a hint, or hides its place when there is none.
export function tell(id, text) {
  const place = $(id);
  if (place.textContent !== (text || "")) place.textContent = text || "";
  place.hidden = !text;
}

// Makes buttons with the role of radios one choice: arrows move, chosen(value) is told.
export function choice(group, chosen, attribute = "value") {
  const all = () => [...group.querySelectorAll("[role=radio]")].filter((button) => !button.hidden);
  const api = {
    value: null,
    set(value) {
      api.value = value;
      for (const button of all()) {
        const on = button.dataset[attribute] === value;
        button.setAttribute("aria-checked", on);
        button.tabIndex = on ? 0 : -1;
      }
    },
  };
  group.addEventListener("click", (event) => {
    const button = event.target.closest("[role=radio]");
    if (button) chosen(button.dataset[attribute]);
  });
  group.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const buttons = all();
    const at = buttons.findIndex((button) => button.dataset[attribute] === api.value);
    const next = buttons[(at + step + buttons.length) % buttons.length];
    chosen(next.dataset[attribute]);
    next.focus();
  });
  return api;
}

// Lets a person pick files; none if the dialog is left.
export function pickFiles(accept, multiple = false) {
  const input = $("file");
  Object.assign(input, { accept, multiple, value: "" });
  return new Promise((resolve) => {
    input.onchange = () => resolve([...input.files]);
    input.oncancel = () => resolve([]);
    input.click();
  });
}

// Asks a question in a dialog; returns the value of the button that was pressed.
export function asked(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
}

export function rgb([r, g, b]) { return `rgb(${r} ${g} ${b})`; }

// Gives a canvas the size that it has on the screen and returns its context.
export function sharpened(canvas) {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

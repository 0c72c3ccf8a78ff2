// Keyboard shortcuts, and the dialog that shows them.

import { $, element } from "./dom.js";

const LISTS = {
  Tools: [
    [["B"], "Brush"], [["P"], "Polygon or lasso"], [["F"], "Fill"], [["V"], "Move, scale, turn"],
    [["E"], "Eraser: back to the original"], [["I"], "Pick a class"], [["Alt click"], "Pick with any tool"],
    [["[", "]"], "Brush smaller, larger"], [["Arrows", "Enter"], "Paint without a pointer"],
  ],
  Classes: [
    [["/"], "Search"], [["Enter"], "Take the first one found"], [["↑", "↓"], "Walk through the list"],
    [["1 … 9"], "Take one of the first nine shown"],
  ],
  "Region and polygon": [
    [["Enter"], "Apply"], [["Esc"], "Cancel"], [["Arrows"], "Move by 1, with Shift by 10"],
    [["Delete"], "Remove the region"], [["Backspace"], "Take back the last corner"],
  ],
  "Undo and view": [
    [["Ctrl", "Z"], "Undo"], [["Ctrl", "Shift", "Z"], "Redo"], [["+", "−"], "Zoom in, out"], [["0"], "Fit"],
    [["Space drag"], "Move the view"], [["Two fingers"], "Zoom and move the view"],
  ],
  Result: [
    [["R"], "Result"], [["W"], "Warped exemplar"], [["K"], "Confidence"], [["C"], "Compare with before"],
    [["Arrows"], "On the result: where it came from"],
  ],
  Files: [
    [["Ctrl", "S"], "Save the picture"], [["Ctrl", "O"], "Open a condition"],
    [["Ctrl", "V"], "Paste pictures as exemplars"], [["?"], "These shortcuts"],
  ],
};

export function listShortcuts() {
  const row = ([keys, text]) => [
    element("dt", {}, ...keys.map((key) => element("kbd", { textContent: key }))), element("dd", { textContent: text }),
  ];
  $("shortcut-lists").replaceChildren(...Object.entries(LISTS).map(([title, rows]) =>
    element("section", {}, element("h3", { textContent: title }), element("dl", {}, ...rows.flatMap(row)))));
}

const TOOL_KEYS = { b: "brush", p: "polygon", f: "fill", v: "move", e: "erase", i: "pick" };
const LAYER_KEYS = { r: "image", w: "warped", k: "confidence" };

// Typing belongs to the field that is typed in.
function types(target) {
  return target.matches("input:not([type=range]):not([type=checkbox]), select, textarea") || target.closest("dialog");
}

// parts: {painting, result, panes, view, save(), open()}
export function bindKeys({ painting, result, view, save, open }) {
  const hold = (on) => {
    for (const pane of view.panes) {
      pane.space = on;
      pane.canvas.classList.toggle("hand", on);
    }
  };
  // Keys that the tool in hand takes: on the condition, and Delete in the list of joints.
  const worked = (event) => {
    const here = event.target === $("condition") || (event.target === $("palette") && event.key === "Delete");
    return here && painting.tool.key(event);
  };
  const withCtrl = (event) => {
    const key = event.key.toLowerCase();
    if (key === "z") event.shiftKey ? painting.redo() : painting.undo();
    else if (key === "y") painting.redo();
    else if (key === "s") save();
    else if (key === "o") open();
    else return false;
    return true;
  };
  // The space bar presses the button in focus, unless the pointer is over a picture.
  const pressed = (target) => {
    if (target.tagName !== "BUTTON" || !view.panes.some((pane) => pane.canvas.matches(":hover"))) {
      return target.tagName === "BUTTON";
    }
    target.blur();
    return false;
  };
  const ends = (event) => ["Enter", "Escape"].includes(event.key) && event.target.tagName !== "BUTTON";
  const plain = (event) => {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const tool = TOOL_KEYS[key];
    if (worked(event) || (ends(event) && painting.tool.key(event))) return true;
    if (key === " " && !pressed(event.target)) hold(true);
    else if (tool && !$("tools").querySelector(`[data-tool=${tool}]`).hidden) painting.use(tool);
    else if (LAYER_KEYS[key]) result.show(LAYER_KEYS[key]);
    else if (key === "c") result.compare(!result.comparing);
    else if (key === "[" || key === "]") painting.setSize(stepped(painting.size, key === "]" ? 1 : -1));
    else if (key === "/") $("search").focus();
    else if (key === "?") $("shortcuts").showModal();
    else if (key === "+" || key === "=") painting.pane.zoom(1.25);
    else if (key === "-") painting.pane.zoom(0.8);
    else if (key === "0") view.fit();
    else if (/^[1-9]$/.test(key)) painting.palette.takeShown(Number(key) - 1);
    else return false;
    return true;
  };
  document.addEventListener("keydown", (event) => {
    if (!painting.workspace || types(event.target)) return;
    const ctrl = event.ctrlKey || event.metaKey;
    if (ctrl ? withCtrl(event) : !event.altKey && plain(event)) event.preventDefault();
  });
  document.addEventListener("keyup", (event) => {
    if (event.key === " ") hold(false);
  });
  addEventListener("blur", () => hold(false));
}

function stepped(size, direction) {
  return direction > 0 ? Math.max(size + 1, Math.round(size * 1.2)) : Math.min(size - 1, Math.round(size / 1.2));
}

// The panel of exemplars: the chosen one large, the strip, and what can be set about it.

import { $, element, icon, rgb, sharpened } from "./dom.js";

const NO_MAP = {
  labels: "Without its map, regions cannot be matched by class: what it shows may land in other classes.",
  lines: "Without its edges, lines cannot be matched with lines.",
  joints: "Without its pose, limbs cannot be matched with limbs: parts of it may land elsewhere.",
};
const PEEK = 112; // Pixels of the page.
const MAP_NAMES = { labels: "map", lines: "edges", joints: "pose" };

export class Inspector {
  // asks: {addMap(exemplar), dropMap(exemplar), remove(exemplar), change(exemplar), select(index)}
  constructor(asks) {
    this.asks = asks;
    this.match = null; // {exemplar, x, y}: where what is pointed at came from
    this.showsMap = false;
    new ResizeObserver(() => this.drawLook()).observe($("look"));
    $("strip").addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const next = this.workspace.selected + (step ?? 0);
      if (event.key === "Delete" && this.removable) this.asks.remove(this.exemplar);
      else if (!step || next < 0 || next >= this.workspace.exemplars.length) return;
      else this.asks.select(next);
      event.preventDefault();
      event.stopPropagation();
      $("strip").querySelector("[aria-selected=true]")?.focus();
    });
  }

  get exemplar() { return this.workspace.exemplars[this.workspace.selected]; }
  get removable() { return this.workspace.task === "translate"; }

  render(workspace, model) {
    Object.assign(this, { workspace, model });
    const edits = workspace.task === "edit";
    $("exemplars-title").textContent = edits ? "Photograph" : workspace.exemplars.length > 1 ? "Exemplars" : "Exemplar";
    $("look").hidden = !this.exemplar;
    $("empty").hidden = Boolean(this.exemplar);
    $("strip").hidden = edits || workspace.exemplars.length < 2;
    $("strip").replaceChildren(...workspace.exemplars.map((exemplar, index) => this.thumbnail(exemplar, index)));
    const focused = $("details").contains(document.activeElement);
    $("details").replaceChildren(...(this.exemplar ? this.details(this.exemplar) : []));
    if (focused) $("exemplar-map")?.focus(); // what was pressed has been made anew, or is gone
    this.renderMixing();
    this.drawLook();
  }

  thumbnail(exemplar, index) {
    const canvas = element("canvas", { width: 112, height: 112 });
    const side = Math.min(exemplar.width, exemplar.height);
    canvas.getContext("2d").drawImage(exemplar.bitmap, (exemplar.width - side) / 2, (exemplar.height - side) / 2,
      side, side, 0, 0, 112, 112);
    const chosen = index === this.workspace.selected;
    const thumbnail = element("button", {
      type: "button", className: "thumbnail", role: "option", "aria-selected": chosen, tabIndex: chosen ? 0 : -1,
      "aria-label": `Exemplar ${index + 1}: ${exemplar.name}`, title: exemplar.name,
    }, canvas, element("b", { textContent: index + 1 }));
    thumbnail.classList.toggle("wrong", Boolean(exemplar.error));
    thumbnail.addEventListener("click", () => this.asks.select(index));
    return thumbnail;
  }

  details(exemplar) {
    const index = this.workspace.selected;
    const rows = [this.naming(exemplar), this.mapRow(exemplar)];
    const error = { className: "error", id: `error-exemplar-${index}`, role: "alert", hidden: !exemplar.error };
    rows.push(element("p", error, exemplar.error));
    const { exemplars } = this.workspace;
    if (!exemplar.condition) rows.push(element("p", { className: "hint", id: "no-map" }, NO_MAP[this.model.key]));
    if (this.model.kind === "semantic" && exemplars.length > 1) rows.push(this.paints(exemplar));
    if (exemplars.length > 2 && this.workspace.sharing(exemplar, this.model.classes.length).length) {
      rows.push(this.share(exemplar));
    }
    return rows;
  }

  naming(exemplar) {
    const size = exemplar.note || `${exemplar.width} × ${exemplar.height}`;
    const name = element("div", { className: "naming" },
      element("strong", { textContent: exemplar.name, title: exemplar.name }), element("small", { textContent: size }));
    const row = element("div", { className: "row" }, name);
    if (this.removable && this.workspace.exemplars.length > 1) {
      const remove = bin(`Remove ${exemplar.name}`);
      remove.addEventListener("click", () => this.asks.remove(exemplar));
      row.append(remove);
    }
    return row;
  }

  mapRow(exemplar) {
    const name = MAP_NAMES[this.model.key];
    const setting = exemplar.condition ? "Change…" : `Add its ${name}…`;
    const set = element("button", { type: "button", className: "button", id: "exemplar-map" }, setting);
    set.addEventListener("click", () => this.asks.addMap(exemplar));
    const row = element("div", { className: "row map-row" });
    if (exemplar.map) {
      const canvas = element("canvas", { width: 80, height: 80 });
      const context = canvas.getContext("2d");
      const scale = Math.max(80 / exemplar.map.width, 80 / exemplar.map.height);
      context.imageSmoothingEnabled = scale < 1;
      context.drawImage(exemplar.map, 0, 0, exemplar.map.width * scale, exemplar.map.height * scale);
      const title = `Show its ${name}`;
      const look = element("button", { type: "button", className: "map-look", title, "aria-label": title }, canvas);
      look.setAttribute("aria-pressed", this.showsMap);
      look.addEventListener("click", () => {
        this.showsMap = !this.showsMap;
        look.setAttribute("aria-pressed", this.showsMap);
        this.drawLook();
      });
      row.append(look, element("span", { textContent: `Its ${name}` }));
    } else {
      row.append(element("span", { textContent: `No ${name}` }));
    }
    if (this.workspace.task === "translate" && exemplar.condition) {
      const drop = bin(`Remove its ${name}`);
      drop.addEventListener("click", () => this.asks.dropMap(exemplar));
      row.append(element("span", { className: "spacer" }), set, drop);
    } else {
      row.append(element("span", { className: "spacer" }), set);
    }
    return row;
  }

  // Chips of the classes that this exemplar paints.
  paints(exemplar) {
    const counts = this.workspace.condition.counts();
    const classes = this.model.classes.map((name, id) => ({ name, id }))
      .filter(({ id }) => counts[id] > 0 || exemplar.classes?.includes(id));
    const chip = (text, pressed, id) => {
      const made = element("button", { type: "button", className: "chip", "data-class": id }, text);
      made.setAttribute("aria-pressed", pressed);
      if (id !== "all") {
        const swatch = element("i", { className: "swatch" });
        swatch.style.background = rgb(this.model.colours[id]);
        made.prepend(swatch);
      }
      made.addEventListener("click", () => {
        const own = new Set(exemplar.classes ?? []);
        if (id === "all" || (own.delete(id) && !own.size)) exemplar.classes = null;
        else exemplar.classes = [...(exemplar.classes?.includes(id) ? own : own.add(id))].sort((a, b) => a - b);
        this.asks.change(exemplar);
        $("details").querySelector(`.chip[data-class="${id}"]`)?.focus();
      });
      return made;
    };
    const others = this.workspace.exemplars.some((other) => other !== exemplar && other.classes);
    const all = chip(others ? "All others" : "All", !exemplar.classes, "all");
    const chips = classes.map(({ name, id }) => chip(name, exemplar.classes?.includes(id) ?? false, id));
    return element("div", { className: "paints", role: "group", "aria-label": "Regions that it paints" },
      element("span", { className: "label", textContent: "Paints" }),
      element("div", { className: "chips" }, all, ...chips));
  }

  // Its share of the style where three or more paint the same regions.
  share(exemplar) {
    const value = Math.round(Math.min(1, exemplar.weight) * 100);
    const input = element("input", { type: "range", min: 1, max: 100, value });
    input.addEventListener("input", () => {
      exemplar.weight = input.value / 100;
      this.asks.mix(false);
    });
    input.addEventListener("change", () => this.asks.mix(true));
    return element("label", { className: "share" }, "Share of the style ", input);
  }

  // The slider between two exemplars that paint the same regions.
  renderMixing() {
    const { exemplars } = this.workspace;
    const two = this.workspace.task === "translate" && exemplars.length === 2 &&
      this.workspace.sharing(exemplars[0], this.model.classes.length).length > 0;
    $("mixing").hidden = !two;
    if (!two) return;
    const [one, other] = exemplars.map((exemplar) => exemplar.weight);
    $("mix").value = Math.round((100 * other) / (one + other));
  }

  // Points at a place of an exemplar, which is shown meanwhile; null points at nothing.
  point(match) {
    this.match = match;
    const index = match ? this.workspace.exemplars.indexOf(match.exemplar) : -1;
    [...$("strip").children].forEach((thumbnail, at) => thumbnail.classList.toggle("pointed", at === index));
    this.drawLook();
  }

  // Draws the chosen exemplar beside the strip, and in the corner of the result where that is hidden.
  drawLook() {
    const exemplar = this.match?.exemplar ?? (this.workspace && this.exemplar);
    if (!exemplar) return;
    $("source").setAttribute("aria-label", exemplar.name);
    if ($("look").clientWidth) this.drawInto($("source"), exemplar, $("look").clientWidth, $("look").clientHeight);
    if (!$("peek").hidden && getComputedStyle($("peek")).display !== "none") this.drawInto($("peek"), exemplar, PEEK, PEEK);
  }

  drawInto(canvas, exemplar, across, down) {
    const scale = Math.min(across / exemplar.width, down / exemplar.height);
    const [width, height] = [exemplar.width * scale, exemplar.height * scale];
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const context = sharpened(canvas);
    const shows = this.showsMap && exemplar.map;
    context.imageSmoothingEnabled = !shows;
    context.drawImage(shows ? exemplar.map : exemplar.bitmap, 0, 0, width, height);
    canvas.dataset.match = "";
    if (this.match?.exemplar === exemplar) {
      canvas.dataset.match = `${this.match.x},${this.match.y}`;
      crosshair(context, (this.match.x + 0.5) * scale, (this.match.y + 0.5) * scale, width, height, 1);
    }
  }
}

function bin(title) {
  return element("button", { type: "button", className: "icon", title, "aria-label": title }, icon("bin"));
}

// Lines across a picture with a ring where they meet; unit is one pixel of the screen.
export function crosshair(context, x, y, width, height, unit) {
  for (const [line, colour] of [[3, "rgb(0 0 0 / 55%)"], [1, "#fff"]]) {
    context.lineWidth = line * unit;
    context.strokeStyle = colour;
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, y - 7 * unit);
    context.moveTo(x, y + 7 * unit);
    context.lineTo(x, height);
    context.moveTo(0, y);
    context.lineTo(x - 7 * unit, y);
    context.moveTo(x + 7 * unit, y);
    context.lineTo(width, y);
    context.moveTo(x + 7 * unit, y);
    context.arc(x, y, 7 * unit, 0, 2 * Math.PI);
    context.stroke();
  }
}

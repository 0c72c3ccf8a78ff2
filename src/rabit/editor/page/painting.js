// The pane of the condition: its tools, their options, undo and redo.

import { $, choice } from "./dom.js";
import { NIGHT } from "./joints.js";
import { Move } from "./move.js";
import { Palette } from "./palette.js";
import { Pane } from "./pane.js";
import { Brush, Fill, Joints, Pick, Polygon, outline } from "./tools.js";
import { coloursOf, swatches } from "./workspace.js";

const LINE_NAMES = ["paper", "line"];
const TOOLS = { labels: "brush polygon fill move erase pick", lines: "brush polygon move erase", joints: "joints" };
const HINTS = {
  polygon: "click corners or draw freely, Enter closes", move: "click a region to move it",
  pick: "click a region to take its class", erase: "brings back the original", fill: "click a region to fill it",
};
const FIRST_SIZE = 14; // Pixels of a map of 128; other maps get brushes in proportion.

export class Painting {
  // asks: {changing(), changed()}: a picture is wanted while the condition changes, and after.
  constructor(view, asks) {
    this.asks = asks;
    this.workspace = null;
    this.mark = null;
    this.id = 0;
    this.size = FIRST_SIZE;
    this.connected = true;
    this.palette = new Palette((id) => this.choose(id));
    this.tools = {
      brush: new Brush(this, false), erase: new Brush(this, true), polygon: new Polygon(this), fill: new Fill(this),
      pick: new Pick(this), move: new Move(this), joints: new Joints(this),
    };
    this.pane = new Pane($("condition"), view, {
      size: () => this.workspace?.condition,
      draw: (context, unit) => this.draw(context, unit),
      hands: {
        down: (point, event) => this.down(point, event),
        move: (point, event) => this.borrowed || this.tool.move(point, event),
        up: (point, event) => this.borrowed || this.tool.up(point, event),
        cancel: () => this.tool.cancel(),
        hover: (point, event) => this.hover(point, event),
        leave: (event) => this.leave(event),
      },
    });
    this.toolChoice = choice($("tools"), (name) => this.use(name), "tool");
    this.regionChoice = choice($("connected"), (value) => this.setConnected(value === "yes"));
    this.regionChoice.set("yes");
    this.name = "brush";
    $("size").addEventListener("input", () => this.setSize(Number($("size").value)));
    $("undo").addEventListener("click", () => this.undo());
    $("redo").addEventListener("click", () => this.redo());
    $("apply").addEventListener("click", () => this.tools.move.finish());
    $("dismiss").addEventListener("click", () => this.tools.move.dismiss());
    $("scale").addEventListener("change", () => this.tools.move.set({ scale: Number($("scale").value) / 100 || 1 }));
    $("angle").addEventListener("change", () => this.tools.move.set({ angle: (Number($("angle").value) * Math.PI) / 180 }));
    $("under").addEventListener("input", () => this.redraw());
  }

  get map() { return this.workspace.condition; }
  get tool() { return this.tools[this.name]; }

  // Shows a workspace; the tools and the palette are those of its model.
  open(workspace, model) {
    for (const tool of Object.values(this.tools)) tool.reset();
    if (this.workspace) this.map.revert();
    this.workspace = workspace;
    if (this.model !== model) {
      this.model = model;
      const joints = model.key === "joints";
      const names = joints ? this.map.names : model.key === "lines" ? LINE_NAMES : model.classes;
      this.palette.list(names, swatches(model, this.map));
      $("search").hidden = $("used-field").hidden = model.key === "lines";
      this.colours = joints ? [] : coloursOf(model);
      for (const button of $("tools").children) button.hidden = !TOOLS[model.key].split(" ").includes(button.dataset.tool);
      this.id = model.key === "lines" ? 1 : 0;
    }
    if (!TOOLS[model.key].split(" ").includes(this.name)) this.name = TOOLS[model.key].split(" ")[0];
    this.use(this.name);
    this.fitSize();
    if (model.key === "labels") this.id = Math.min(this.id, this.colours.length - 1);
    this.palette.mark(model.key === "joints" ? this.map.selected : this.id);
    this.renew();
  }

  // A brush of the same share of the map.
  fitSize() {
    const longest = Math.max(this.map.width, this.map.height);
    const scale = `${this.model.key} ${longest}`;
    if (scale === this.scale) return;
    this.scale = scale;
    $("size").max = Math.max(16, Math.round(longest / 2));
    this.setSize(Math.max(1, Math.round((this.model.key === "lines" ? 1.5 : FIRST_SIZE) * (longest / 128))));
  }

  // What depends on the condition's content.
  renew() {
    const { history, revision } = this.map;
    $("undo").disabled = !history.canUndo && !this.map.editing;
    $("redo").disabled = !history.canRedo || this.map.editing;
    $("condition").dataset.revision = revision;
    if (this.model.key === "joints") {
      const there = this.map.joints.map((joint) => joint !== null);
      this.palette.count(there.map((seen) => (seen ? "" : "missing")), there);
    } else {
      const counts = this.map.counts();
      this.palette.count(Array.from(counts, share(this.map.ids.length)), Array.from(counts, (count) => count > 0));
    }
    this.tellSize();
    this.redraw();
  }

  tellSize(point) {
    const { width, height } = this.map;
    const id = point && this.model.key !== "joints" ? this.map.at(point) : null;
    const here = id === null ? HINTS[this.name] : `${this.palette.items[id]?.name ?? id} at ${[point.x, point.y].map(Math.floor).join(", ")}`;
    $("condition-told").textContent = [`${width} × ${height}`, here].filter(Boolean).join(" · ");
  }

  redraw() { this.pane.redraw(); }

  draw(context, unit) {
    const { width, height } = this.map;
    const photograph = this.workspace.task === "edit" ? this.workspace.exemplars[0]?.bitmap : null;
    context.imageSmoothingEnabled = false;
    if (this.model.key === "joints") {
      context.fillStyle = NIGHT;
      context.fillRect(0, 0, width, height);
      if (photograph) this.under(context, photograph);
      this.map.draw(context, unit);
    } else {
      context.drawImage(this.map.canvas, 0, 0, width, height);
      if (photograph) this.under(context, photograph);
    }
    this.tool.draw(context, unit);
    if (!this.mark) return;
    outline(context, unit, () => context.arc(this.mark.x + 0.5, this.mark.y + 0.5, 7 * unit, 0, 2 * Math.PI));
  }

  // Shows the place that is pointed at in the result; null shows none.
  point(mark) {
    this.mark = mark;
    this.redraw();
  }

  under(context, photograph) {
    context.globalAlpha = $("under").value / 100;
    context.drawImage(photograph, 0, 0, this.map.width, this.map.height);
    context.globalAlpha = 1;
  }

  down(point, event) {
    this.borrowed = event.altKey && this.model.key === "labels";
    if (this.borrowed) this.tools.pick.down(point);
    else this.tool.down(point, event);
  }

  hover(point, event) {
    this.tellSize(point);
    this.tool.hover(point, event);
  }

  leave(event) {
    this.tellSize();
    this.tool.leave(event);
  }

  // Takes up a tool; what the one before has begun is finished.
  use(name) {
    if (this.name !== name) this.tool.finish();
    this.name = name;
    this.toolChoice.set(name);
    for (const part of $("options").querySelectorAll("[data-tools]")) {
      part.hidden = !part.dataset.tools.split(" ").includes(name);
    }
    $("condition").dataset.tool = name;
    this.taken(null);
    this.tellSize();
    this.redraw();
  }

  choose(id) {
    if (this.model.key === "joints") {
      this.map.selected = id;
      this.redraw();
    } else {
      this.id = id;
      if (this.name === "erase") this.use("brush");
    }
    this.palette.mark(id);
    if (this.name === "pick") this.use("brush");
  }

  setSize(size) {
    this.size = Math.min(Number($("size").max), Math.max(1, Math.round(size)));
    $("size").value = this.size;
    $("size-told").textContent = `${this.size} px`;
    this.redraw();
  }

  setConnected(connected) {
    this.connected = connected;
    this.regionChoice.set(connected ? "yes" : "no");
  }

  // The move tool holds a region of a class, or nothing any more.
  taken(id) {
    const held = id !== null && this.tools.move.active;
    $("placing").hidden = !held;
    $("connected").hidden = !["fill", "move"].includes(this.name);
    if (held) {
      $("scale").value = Math.round(100 * this.tools.move.change.scale);
      $("angle").value = Math.round((180 * this.tools.move.change.angle) / Math.PI);
    }
    if (this.model) $("undo").disabled = !this.map.history.canUndo && !held;
    this.redraw();
  }

  changing() {
    $("condition").dataset.revision = this.map.revision;
    this.redraw();
    this.asks.changing();
  }

  changed() {
    this.renew();
    this.asks.changed();
  }

  // Puts away what a tool has begun; returns whether there was something.
  settle() {
    if (!this.tools.move.active) return false;
    this.tools.move.dismiss();
    return true;
  }

  undo() {
    if (this.settle()) return;
    if (this.map.editing || !this.map.history.undo()) return;
    this.fitSize();
    this.changed();
  }

  redo() {
    if (this.map.editing || !this.map.history.redo()) return;
    this.fitSize();
    this.changed();
  }
}

function share(total) {
  return (count) => {
    if (!count) return "";
    const percent = (100 * count) / total;
    return percent < 1 ? "<1%" : `${Math.round(percent)}%`;
  };
}

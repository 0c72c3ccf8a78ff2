// Drawing on maps of ids. All functions work on flat row-major arrays of width × height pixels; the
// centre of pixel (column, row) lies at (column + 0.5, row + 0.5).

// Paints a straight stroke with a round brush: pixels whose centres lie within half the brush's
// size of the segment, and always those under the segment itself.
// value(i) gives the new id of pixel i. Returns the box that was touched.
export function paintStroke(ids, width, height, from, to, size, value) {
  const radius = Math.max(size / 2, 0.5);
  const box = clip(
    Math.min(from.x, to.x) - radius - 1, Math.min(from.y, to.y) - radius - 1,
    Math.max(from.x, to.x) + radius + 1, Math.max(from.y, to.y) + radius + 1, width, height,
  );
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const squared = dx * dx + dy * dy;
  for (let row = box.top; row < box.bottom; row += 1) {
    for (let column = box.left; column < box.right; column += 1) {
      const [px, py] = [column + 0.5 - from.x, row + 0.5 - from.y];
      const along = squared ? Math.min(1, Math.max(0, (px * dx + py * dy) / squared)) : 0;
      const [ex, ey] = [px - along * dx, py - along * dy];
      if (ex * ex + ey * ey <= radius * radius) {
        const i = row * width + column;
        ids[i] = value(i);
      }
    }
  }
  // A thin brush between pixel centres would miss them all.
  const steps = Math.ceil(Math.max(Math.abs(dx), Math.abs(dy))) * 2 + 1;
  for (let step = 0; step <= steps; step += 1) {
    const column = Math.floor(from.x + (dx * step) / steps);
    const row = Math.floor(from.y + (dy * step) / steps);
    if (column >= 0 && row >= 0 && column < width && row < height) {
      ids[row * width + column] = value(row * width + column);
    }
  }
  return box;
}

// Returns the pixels whose centres lie inside a polygon (even-odd) as a region.
export function polygonRegion(width, height, points) {
  const mask = new Uint8Array(width * height);
  for (let row = 0; row < height; row += 1) {
    const y = row + 0.5;
    const crossings = [];
    for (let i = 0; i < points.length; i += 1) {
      const [a, b] = [points[i], points[(i + 1) % points.length]];
      if (a.y <= y !== b.y <= y) crossings.push(a.x + ((y - a.y) / (b.y - a.y)) * (b.x - a.x));
    }
    crossings.sort((one, other) => one - other);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const first = Math.max(0, Math.ceil(crossings[i] - 0.5));
      const last = Math.min(width, Math.ceil(crossings[i + 1] - 0.5));
      if (first < last) mask.fill(1, row * width + first, row * width + last);
    }
  }
  return { mask, box: maskBox(mask, width, height) };
}

// Returns the pixels of the id at (column, row): those connected to it by their sides, or all.
export function regionAt(ids, width, height, column, row, connected) {
  const start = row * width + column;
  const id = ids[start];
  const mask = new Uint8Array(width * height);
  if (!connected) {
    for (let i = 0; i < ids.length; i += 1) mask[i] = ids[i] === id ? 1 : 0;
    return { mask, box: maskBox(mask, width, height), id };
  }
  const stack = [start];
  mask[start] = 1;
  const visit = (i) => {
    if (!mask[i] && ids[i] === id) {
      mask[i] = 1;
      stack.push(i);
    }
  };
  while (stack.length) {
    const i = stack.pop();
    const at = i % width;
    if (at > 0) visit(i - 1);
    if (at < width - 1) visit(i + 1);
    if (i >= width) visit(i - width);
    if (i < ids.length - width) visit(i + width);
  }
  return { mask, box: maskBox(mask, width, height), id };
}

// Returns the map without a region: its pixels get the id of the nearest pixel beside it, counted
// in steps up, down, left and right. A map that is all region stays as it is.
export function filledFromNearest(ids, width, height, mask) {
  const filled = ids.slice();
  const done = mask.map((inside) => 1 - inside);
  let front = [];
  for (let i = 0; i < ids.length; i += 1) if (done[i]) front.push(i);
  while (front.length) {
    const next = [];
    const reach = (i, from) => {
      if (!done[i]) {
        done[i] = 1;
        filled[i] = filled[from];
        next.push(i);
      }
    };
    for (const i of front) {
      const at = i % width;
      if (at > 0) reach(i - 1, i);
      if (at < width - 1) reach(i + 1, i);
      if (i >= width) reach(i - width, i);
      if (i < ids.length - width) reach(i + width, i);
    }
    front = next;
  }
  return filled;
}

// Where a point of a region goes: scaled and turned about the region's middle, then moved.
export function place(point, middle, change) {
  const [cos, sin] = [Math.cos(change.angle), Math.sin(change.angle)];
  const [dx, dy] = [(point.x - middle.x) * change.scale, (point.y - middle.y) * change.scale];
  return {
    x: middle.x + change.x + cos * dx - sin * dy,
    y: middle.y + change.y + sin * dx + cos * dy,
  };
}

// Draws a region, changed as `place` says, into ids: a pixel is the region's where the place that
// its centre came from is.
export function drawRegion(ids, width, height, region, middle, change) {
  const { left, top, right, bottom } = region.box;
  const corners = [[left, top], [right, top], [right, bottom], [left, bottom]];
  const placed = corners.map(([x, y]) => place({ x, y }, middle, change));
  const box = clip(
    Math.min(...placed.map((p) => p.x)) - 1, Math.min(...placed.map((p) => p.y)) - 1,
    Math.max(...placed.map((p) => p.x)) + 1, Math.max(...placed.map((p) => p.y)) + 1, width, height,
  );
  const [cos, sin] = [Math.cos(change.angle) / change.scale, Math.sin(change.angle) / change.scale];
  for (let row = box.top; row < box.bottom; row += 1) {
    for (let column = box.left; column < box.right; column += 1) {
      const dx = column + 0.5 - middle.x - change.x;
      const dy = row + 0.5 - middle.y - change.y;
      const sourceColumn = Math.floor(middle.x + cos * dx + sin * dy + 1e-9);
      const sourceRow = Math.floor(middle.y - sin * dx + cos * dy + 1e-9);
      if (sourceColumn < left || sourceRow < top || sourceColumn >= right || sourceRow >= bottom) continue;
      if (region.mask[sourceRow * width + sourceColumn]) ids[row * width + column] = region.id;
    }
  }
}

function maskBox(mask, width, height) {
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let row = 0; row < height; row += 1) {
    const first = mask.indexOf(1, row * width);
    if (first < 0) break;
    if (first >= (row + 1) * width) continue;
    const last = mask.lastIndexOf(1, (row + 1) * width - 1);
    top = Math.min(top, row);
    bottom = row + 1;
    left = Math.min(left, first % width);
    right = Math.max(right, (last % width) + 1);
  }
  return { left, top, right, bottom };
}

function clip(left, top, right, bottom, width, height) {
  return {
    left: Math.max(0, Math.floor(left)), top: Math.max(0, Math.floor(top)),
    right: Math.min(width, Math.ceil(right)), bottom: Math.min(height, Math.ceil(bottom)),
  };
}

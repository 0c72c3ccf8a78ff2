// Lines found in a photograph by Canny's method, with the server's figures, to be drawn on further.

const [LOW, HIGH] = [0.1 * 255, 0.2 * 255];
const GAUSS = Array.from({ length: 9 }, (_, i) => Math.exp(-((i - 4) ** 2) / 2));

function smoothed(values, width, height, step, length) {
  const out = new Float32Array(values.length);
  for (let i = 0; i < values.length; i += 1) {
    const at = step === 1 ? i % width : Math.floor(i / width);
    let [sum, weight] = [0, 0];
    for (let k = -4; k <= 4; k += 1) {
      if (at + k < 0 || at + k >= length) continue;
      sum += GAUSS[k + 4] * values[i + k * step];
      weight += GAUSS[k + 4];
    }
    out[i] = sum / weight;
  }
  return out;
}

// Returns a map of the bitmap's size: 1 on lines, 0 elsewhere.
export function tracedLines(bitmap) {
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  let luma = Float32Array.from({ length: width * height },
    (_, i) => 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]);
  luma = smoothed(smoothed(luma, width, height, 1, width), width, height, width, height);
  const strength = new Float32Array(luma.length);
  const [across, down] = [new Float32Array(luma.length), new Float32Array(luma.length)];
  for (let row = 1; row < height - 1; row += 1) {
    for (let i = row * width + 1; i < (row + 1) * width - 1; i += 1) {
      const at = (dx, dy) => luma[i + dx + dy * width];
      across[i] = at(1, -1) + 2 * at(1, 0) + at(1, 1) - at(-1, -1) - 2 * at(-1, 0) - at(-1, 1);
      down[i] = at(-1, 1) + 2 * at(0, 1) + at(1, 1) - at(-1, -1) - 2 * at(0, -1) - at(1, -1);
      strength[i] = Math.hypot(across[i], down[i]);
    }
  }
  return linked(strength, ridges(strength, across, down, width, height), width, height);
}

// Where the strength is largest along its own direction.
function ridges(strength, across, down, width, height) {
  const ridge = new Uint8Array(strength.length);
  for (let row = 1; row < height - 1; row += 1) {
    for (let i = row * width + 1; i < (row + 1) * width - 1; i += 1) {
      if (strength[i] < LOW) continue;
      const [dx, dy] = [Math.abs(across[i]), Math.abs(down[i])];
      const same = across[i] * down[i] >= 0;
      const side = dx >= dy ? 1 : width;
      const corner = same ? width + 1 : dx >= dy ? 1 - width : width - 1;
      const share = Math.min(dx, dy) / Math.max(dx, dy);
      const beside = (sign) => (1 - share) * strength[i + sign * side] + share * strength[i + sign * corner];
      ridge[i] = strength[i] >= beside(1) && strength[i] > beside(-1) ? 1 : 0;
    }
  }
  return ridge;
}

// Strong ridges, and the weak ones that hang together with them.
function linked(strength, ridge, width, height) {
  const lines = new Uint8Array(strength.length);
  const stack = [];
  for (let i = 0; i < lines.length; i += 1) if (ridge[i] && strength[i] >= HIGH) stack.push(i);
  while (stack.length) {
    const i = stack.pop();
    if (lines[i]) continue;
    lines[i] = 1;
    for (let dy = -1; dy <= 1; dy += 1) {
      for (let dx = -1; dx <= 1; dx += 1) {
        const next = i + dx + dy * width;
        if (next >= 0 && next < lines.length && ridge[next] && !lines[next]) stack.push(next);
      }
    }
  }
  return lines;
}

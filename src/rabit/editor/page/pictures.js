// Pictures that a person brings: read by what they hold, made smaller where they are too large.

import { fromBase64, toBase64 } from "./bytes.js";

// Longer sides of exemplars say nothing more to the models, and would slow every preview down.
const EXEMPLAR_SIDE = 1024;
const NAMES = { png: "image/png", jpeg: "image/jpeg", webp: "image/webp" };

function kindOf(bytes) {
  const begins = (text, at = 0) => [...text].every((letter, i) => bytes[at + i] === letter.charCodeAt(0));
  if (begins("\x89PNG\r\n")) return "png";
  if (begins("\xff\xd8\xff")) return "jpeg";
  if (begins("RIFF") && begins("WEBP", 8)) return "webp";
  return null;
}

// Decodes a picture's base64.
export async function bitmapOf(text) {
  const bytes = fromBase64(text);
  return createImageBitmap(new Blob([bytes], { type: NAMES[kindOf(bytes)] ?? "" }));
}

// How many bytes of the limit a picture may take. A request is base64 of all of them, four thirds of
// their bytes: as many exemplars as are allowed must fit, or one photograph with its map.
function share(limits, whole) { return whole ? limits.bytes / 4 : limits.bytes / (1.5 * limits.exemplars); }

// The size of a picture after it was made smaller; in whole numbers of a shape, where it has that.
function shrunk({ width, height }, factor, shape) {
  if (shape && width * shape.height === height * shape.width) {
    const times = Math.floor((width * factor) / shape.width);
    if (times) return [times * shape.width, times * shape.height];
  }
  return [width, height].map((side) => Math.max(1, Math.floor(side * factor)));
}

// Reads a file as a picture that the server takes: {image: base64, bitmap, width, height, note, from}.
// Where `whole` is set the picture keeps its size as long as the server allows it; `shape` is the
// {width, height} of a map whose shape it must not lose then.
export async function readPicture(file, limits, whole = false, shape = null) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let bitmap;
  try {
    bitmap = await createImageBitmap(new Blob([bytes]));
  } catch {
    throw new Error(`${file.name} is no picture that this browser can read; give a PNG, JPEG or WebP file.`);
  }
  const most = Math.min(whole ? limits.side : EXEMPLAR_SIDE, limits.side);
  const factor = Math.min(1, most / Math.max(bitmap.width, bitmap.height),
    Math.sqrt(limits.pixels / (bitmap.width * bitmap.height)));
  const room = share(limits, whole);
  const { width, height } = bitmap;
  const from = { width, height };
  if (factor === 1 && bytes.length <= room && kindOf(bytes)) {
    return { image: toBase64(bytes), bitmap, width, height, note: "", from };
  }
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = factor < 1 ? shrunk(from, factor, shape) : [width, height];
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  let blob = null;
  for (const [kind, quality] of [["image/png"], ["image/jpeg", 0.95], ["image/jpeg", 0.9], ["image/jpeg", 0.75]]) {
    blob = await new Promise((resolve) => canvas.toBlob(resolve, kind, quality));
    if (blob.size <= room) break;
  }
  return {
    image: toBase64(new Uint8Array(await blob.arrayBuffer())),
    bitmap: await createImageBitmap(blob),
    width: canvas.width,
    height: canvas.height,
    note: noteOf(from, canvas, blob.type),
    from,
  };
}

function noteOf(from, canvas, kind) {
  const size = `${from.width} × ${from.height}`;
  if (canvas.width < from.width) return `${size}, used at ${canvas.width} × ${canvas.height}`;
  return kind === "image/jpeg" ? `${size}, packed as JPEG` : "";
}

// Reads a file that is too small to be refused for its bytes, as base64.
export async function fileBase64(file, limits) {
  const most = 0.7 * limits.bytes; // base64 and the rest of the document come to it
  if (file.size > most) {
    const told = (bytes) => (bytes / 2 ** 20).toFixed(1);
    throw new Error(`${file.name} has ${told(file.size)} MiB; at most ${told(most)} MiB are taken.`);
  }
  return toBase64(new Uint8Array(await file.arrayBuffer()));
}

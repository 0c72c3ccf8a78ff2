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

// Reads a file as a picture that the server takes: {image: base64, bitmap, width, height, note}.
// Where `whole` is set the picture keeps its size as long as the server allows it.
export async function readPicture(file, limits, whole = false) {
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
  // A request is base64 of all pictures: four thirds of their bytes, of which this may take a third.
  const fits = bytes.length <= limits.bytes / 4;
  if (factor === 1 && fits && kindOf(bytes)) {
    return { image: toBase64(bytes), bitmap, width: bitmap.width, height: bitmap.height, note: "" };
  }
  const { width, height } = bitmap;
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.floor(width * factor));
  canvas.height = Math.max(1, Math.floor(height * factor));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const kind = fits ? "image/png" : "image/jpeg";
  let blob = await new Promise((resolve) => canvas.toBlob(resolve, kind, 0.95));
  if (blob.size > limits.bytes / 4) blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9));
  return {
    image: toBase64(new Uint8Array(await blob.arrayBuffer())),
    bitmap: await createImageBitmap(blob),
    width: canvas.width,
    height: canvas.height,
    note: factor < 1 ? `${width} × ${height}, used at ${canvas.width} × ${canvas.height}` : fits ? "" : `${width} × ${height}, packed as JPEG`,
  };
}

export async function fileBase64(file) {
  return toBase64(new Uint8Array(await file.arrayBuffer()));
}

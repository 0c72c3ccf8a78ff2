// Bytes as text, as grey PNG files, and as files that are downloaded.

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let bit = 0; bit < 8; bit += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});
const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];

export function toBase64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(text);
}

export function fromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

// Writes ids as a grey PNG of 8 bits, or of 16 where they are a Uint16Array. A canvas could not: it
// knows colours of 8 bits only.
export async function greyPng(ids, width, height) {
  const wide = ids.BYTES_PER_ELEMENT;
  const stride = 1 + width * wide;
  const rows = new Uint8Array(stride * height); // each row begins with 0: not filtered
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const id = ids[row * width + column];
      const at = row * stride + 1 + column * wide;
      if (wide === 2) {
        rows[at] = id >> 8;
        rows[at + 1] = id & 255;
      } else {
        rows[at] = id;
      }
    }
  }
  const head = new Uint8Array(13);
  new DataView(head.buffer).setUint32(0, width);
  new DataView(head.buffer).setUint32(4, height);
  head[8] = 8 * wide;
  const packed = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  const data = new Uint8Array(await new Response(packed).arrayBuffer());
  const parts = [chunk("IHDR", head), chunk("IDAT", data), chunk("IEND", new Uint8Array(0))];
  const file = new Uint8Array(8 + parts.reduce((sum, part) => sum + part.length, 0));
  file.set(SIGNATURE);
  let at = 8;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}

function chunk(kind, data) {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  for (let i = 0; i < 4; i += 1) bytes[4 + i] = kind.charCodeAt(i);
  bytes.set(data, 8);
  let crc = 0xffffffff;
  for (let i = 4; i < 8 + data.length; i += 1) crc = CRC[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  view.setUint32(8 + data.length, (crc ^ 0xffffffff) >>> 0);
  return bytes;
}

export function download(content, name, kind) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type: kind }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

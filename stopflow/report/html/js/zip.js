/** Several small files as one archive: stored, not compressed (PKWARE APPNOTE 4.3). */

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

const UTF8_NAMES = 0x0800;
/** 1 January 1980, the first day of the format: the same files give the same bytes. */
const DAY = 0x0021;

/** Little-endian fields of [bytes, value]. */
function fields(...parts) {
  const bytes = [];
  for (const [size, value] of parts) {
    for (let i = 0; i < size; i++) bytes.push(Math.floor(value / 256 ** i) % 256);
  }
  return Uint8Array.from(bytes);
}

/**
 * @param {[string, string][]} files  Names with slashes, and texts.
 * @returns {Blob}
 */
export function zipFiles(files) {
  const encoder = new TextEncoder(), parts = [], directory = [];
  let offset = 0, directorySize = 0;
  for (const [name, text] of files) {
    const path = encoder.encode(name), body = encoder.encode(text);
    const common = [[2, 20], [2, UTF8_NAMES], [2, 0], [2, 0], [2, DAY], [4, crc32(body)],
      [4, body.length], [4, body.length], [2, path.length], [2, 0]];
    const head = fields([4, 0x04034b50], ...common);
    const entry = fields([4, 0x02014b50], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]);
    parts.push(head, path, body);
    directory.push(entry, path);
    offset += head.length + path.length + body.length;
    directorySize += entry.length + path.length;
  }
  const end = fields([4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length],
    [4, directorySize], [4, offset], [2, 0]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

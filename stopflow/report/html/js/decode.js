/** Packed arrays back to numbers; `arrays.py` is the other half and says what the text means. */

/** From an integer and a power of ten to the value, by form. */
const FORMS = {
  d: (integer, power) => integer / power,
  m: (integer, power) => integer / power / 1000,
};

/**
 * @param {string} text  ``form:digits:order:count:BASE64``.
 * @returns {Promise<Float64Array>}
 */
export async function unpack(text) {
  const [form, digits, order, count, body] = text.split(":");
  const planes = await inflate(body);
  const size = Number(count);
  if (form === "f") return new Float64Array(unsorted(planes, size, 8).buffer);
  const integers = new Int32Array(unsorted(planes, size, 4).buffer);
  for (let pass = 0; pass < Number(order); pass++) {
    for (let i = 1; i < size; i++) integers[i] += integers[i - 1];
  }
  const power = 10 ** Number(digits), value = FORMS[form];
  const found = new Float64Array(size);
  for (let i = 0; i < size; i++) found[i] = value(integers[i], power);
  return found;
}

/** Base64 of deflated bytes to bytes. */
async function inflate(body) {
  const packed = Uint8Array.from(atob(body), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Bytes sorted by their place in the number, back in the order of the numbers. */
function unsorted(planes, count, width) {
  const bytes = new Uint8Array(count * width);
  for (let place = 0; place < width; place++) {
    for (let i = 0; i < count; i++) bytes[i * width + place] = planes[place * count + i];
  }
  return bytes;
}

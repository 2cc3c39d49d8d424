/** Building the page: every text is set as text, never as markup. */

/**
 * @param {string} tag
 * @param {Record<string, any>} [properties]  `on*` are listeners, `class` and names with a hyphen
 *   are attributes, everything else properties of the element.
 * @param {...(Node|string|null)} children
 */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class" || name === "role" || name === "for" || name.includes("-")) {
      node.setAttribute(name, String(value));
    } else node[name] = value;
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Sets a text where it is another one: a text that is set lays the page out again. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  return document.getElementById(id);
}

/** Says something to a screen reader without moving the focus. */
export function announce(text) {
  byId("status").textContent = text;
}

/** Offers a file to keep. @param {string} name @param {Blob} blob */
export function download(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = element("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

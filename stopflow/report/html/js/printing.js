/** Paper is light and shows every row; the screen is as its reader wants it. */

/**
 * @param {() => import("./table.js").Table[]} tables  Those that print whole.
 * @param {() => void} redraw  Draws the plots again in the colours of the style sheet.
 */
export function followAppearance(tables, redraw) {
  const printing = (on) => {
    if (document.documentElement.classList.contains("printing") === on) return;
    document.documentElement.classList.toggle("printing", on);
    for (const table of tables()) table.refresh({ all: on });
    redraw();
  };
  window.addEventListener("beforeprint", () => printing(true));
  window.addEventListener("afterprint", () => printing(false));
  // Printing to a file without a window tells no more than that the medium has changed.
  matchMedia("print").addEventListener("change", ({ matches }) => printing(matches));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

/** A table that sorts, shows what passes a filter a page at a time, and is exported as CSV. */

import { csvText } from "./decisions.js";
import { download, element } from "./element.js";
import { countThings } from "./format.js";

const PAGE = 100;

/**
 * @typedef {object} Column
 * @property {string} title
 * @property {string} [unit]
 * @property {(row: object) => string} text     As shown.
 * @property {(row: object) => number|string} value  For sorting and for the CSV file.
 * @property {boolean} [number]
 * @property {string} [css]  Class of the cells.
 */

export class Table {
  /**
   * @param {HTMLElement} host
   * @param {{rows: object[], columns: Column[], name: string, caption: string,
   *          open?: (row: object) => void, marked?: (row: object) => string}} options
   *   `marked` gives a class of the row.
   */
  constructor(host, options) {
    Object.assign(this, options);
    this.shown = PAGE;
    this.order = null;
    this.filter = () => true;
    this.fresh = [];
    this.head = element("tr", {}, ...this.columns.map((column, at) => this.#header(column, at)));
    this.body = element("tbody");
    this.count = element("p", { class: "quiet", role: "status" });
    this.more = element("button", { type: "button", class: "no-print", onclick: () => this.#showMore() });
    const csv = element("button", { type: "button", class: "no-print", onclick: () => this.export() },
      "Export this selection as CSV");
    const table = element("table", {}, element("caption", { class: "visually-hidden" }, this.caption),
      element("thead", {}, this.head), this.body);
    host.append(element("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": this.caption }, table),
      element("div", { class: "under" }, this.count, this.more, csv));
    this.refresh();
  }

  #header(column, at) {
    const sort = () => this.sortBy(at);
    const label = element("button", { type: "button", onclick: sort }, column.title);
    const unit = column.unit ? element("span", { class: "unit" }, ` / ${column.unit}`) : null;
    label.append(unit ?? "");
    return element("th", { scope: "col", class: column.number ? "number" : null }, label);
  }

  /** Sorts by a column; a second time the other way round. */
  sortBy(at) {
    this.order = this.order?.at === at ? { at, sign: -this.order.sign } : { at, sign: 1 };
    [...this.head.children].forEach((cell, place) => {
      if (place === at) cell.setAttribute("aria-sort", this.order.sign > 0 ? "ascending" : "descending");
      else cell.removeAttribute("aria-sort");
    });
    this.refresh();
  }

  /** The fresh rows, and those that pass the filter, in order. */
  selection() {
    const rows = this.rows.filter(this.filter);
    if (this.order) {
      const { at, sign } = this.order, { value } = this.columns[at];
      rows.sort((a, b) => sign * compare(value(a), value(b), sign));
    }
    return [...this.fresh, ...rows];
  }

  /** @param {(row: object) => boolean} filter */
  setFilter(filter) {
    this.filter = filter;
    this.shown = PAGE;
    this.refresh();
  }

  /** Shows rows above the others, whatever the filter, that are not among them yet. */
  setFresh(rows) {
    this.fresh = rows;
    this.refresh();
  }

  #showMore() {
    this.shown += 10 * PAGE;
    this.refresh();
  }

  /** Draws the rows again, `all` of them for printing. */
  refresh({ all = false } = {}) {
    const rows = this.selection(), shown = all ? rows : rows.slice(0, this.shown);
    const current = this.body.querySelector("tr.current"), focused = document.activeElement.closest("tr");
    const place = this.body.contains(focused) ? focused : null;
    this.body.replaceChildren(...shown.map((row) => this.#row(row)));
    // Where the reader was: the open shot, and the button under the keys.
    this.#again(current)?.classList.add("current");
    this.#again(place)?.querySelector("button")?.focus({ preventScroll: true });
    const part = shown.length < rows.length ? `${shown.length} shown of ` : "", found = countThings(rows.length, "row");
    const total = this.fresh.length + this.rows.length;
    this.count.textContent = part + found + (rows.length === total ? "" : `, ${total} in all`);
    this.more.hidden = shown.length === rows.length;
    this.more.textContent = `Show ${Math.min(10 * PAGE, rows.length - shown.length)} more`;
  }

  /** The row that stands for one of before. */
  #again(row) {
    return row && this.body.querySelector(`tr[data-index="${row.dataset.index}"]`);
  }

  #row(row) {
    const cells = this.columns.map((column, at) => {
      const text = column.text(row), classes = [column.number ? "number" : "", column.css ?? ""].join(" ").trim();
      if (at === 0 && this.open) {
        const open = element("button", { type: "button", class: "link", onclick: () => this.open(row) }, text);
        return element("th", { scope: "row" }, open);
      }
      return element(at === 0 ? "th" : "td", { scope: at === 0 ? "row" : null, class: classes || null }, text);
    });
    return element("tr", { class: this.marked?.(row) || null, "data-index": row.index }, ...cells);
  }

  /** Downloads the rows that pass the filter, numbers in full. */
  export() {
    const titles = this.columns.map(({ title, unit }) => (unit ? `${title} (${unit})` : title));
    const cells = this.selection().map((row) => this.columns.map(({ value }) => csvValue(value(row))));
    download(`${this.name}.csv`, new Blob([csvText(titles, cells)], { type: "text/csv;charset=utf-8" }));
  }
}

/** Missing numbers come last whichever way the column is sorted. */
function compare(a, b, sign) {
  if (typeof a === "number" && typeof b === "number") {
    if (Number.isNaN(a) || Number.isNaN(b)) return sign * (Number(Number.isNaN(a)) - Number(Number.isNaN(b)));
    return a - b;
  }
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}

/** No text of a file may run as a formula in a spreadsheet. */
function csvValue(value) {
  if (typeof value === "number") return Number.isNaN(value) ? "" : value;
  return /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
}

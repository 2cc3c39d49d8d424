/** Puts a report together that is read, not changed. */

import { byId, element } from "./element.js";
import { Figure } from "./figure.js";
import { followAppearance } from "./printing.js";
import { Table } from "./table.js";

const report = JSON.parse(byId("payload").textContent);
document.title = report.title;
byId("title").textContent = report.title;
byId("about").textContent = report.about;
byId("answers").append(element("dl", { class: "answers" },
  ...report.answers.flatMap(([asked, text]) => [element("dt", {}, asked), element("dd", {}, text)])));
const reportTables = [...showReportTables(byId("tables"), report.tables), ...showReportTables(byId("closing"), report.closing)];
const grid = element("div", { class: "plots wide" });
byId("plots").append(grid);
const figures = report.plots.map((plot) => new Figure(grid, plot));
followAppearance(() => reportTables, () => figures.forEach((figure) => figure.draw()));
document.documentElement.dataset.ready = "yes";

function showReportTables(host, tables) {
  return tables.map((table) => {
    host.append(element("h2", {}, table.title));
    const shown = new Table(host, {
      name: table.name, caption: table.title, rows: table.rows.map((cells, index) => ({ cells, index })),
      columns: table.columns.map((column, at) => ({
        ...column, text: ({ cells }) => cells[at][0], value: ({ cells }) => cells[at][1] ?? NaN,
      })),
    });
    if (table.note) host.append(element("p", { class: "quiet" }, table.note));
    return shown;
  });
}

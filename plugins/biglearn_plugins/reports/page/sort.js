"use strict";
// Headings become buttons only where scripts run, so that no dead button is shown.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];

  const keyOf = (row, column) => {
    // A method that failed has one wide cell instead of figures.
    const text = row.cells[column]?.dataset.sort;
    return headings[column].dataset.kind === "text" ? text : text ? Number(text) : null;
  };

  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);

  const sortBy = (column, direction) => {
    const sign = direction === "ascending" ? 1 : -1;
    const rows = [...body.rows].map((row) => [keyOf(row, column), row]);
    // What is missing stays below in both directions.
    rows.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : sign * compare(a, b)));
    body.append(...rows.map(([, row]) => row));
    headings.forEach((heading) => heading.removeAttribute("aria-sort"));
    headings[column].setAttribute("aria-sort", direction);
  };

  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const opposite = { ascending: "descending", descending: "ascending" };
      sortBy(column, opposite[heading.getAttribute("aria-sort")] || heading.dataset.first);
    });
  });
}

// Paper cannot be clicked: everything is open in print, and as before afterwards.
const opened = [];
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not([open])")) {
    part.open = true;
    opened.push(part);
  }
});
addEventListener("afterprint", () => opened.splice(0).forEach((part) => (part.open = false)));

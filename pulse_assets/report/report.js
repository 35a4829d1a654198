"use strict";
// Search, filter, sort and fold; the page says everything without it.
{
  const tools = document.querySelector(".tools");
  const rows = [...document.querySelectorAll("[data-variable]")];
  const cards = [...document.querySelectorAll("details.card")];

  const answers = document.querySelectorAll("#trust tbody tr");
  const skills = new Map([...answers].map((row) => [row.dataset.variable, row.dataset.skill]));

  const isChosen = ({ variable }, text, chosen) => {
    if (!variable.toLowerCase().includes(text)) return false;
    const better = Number(skills.get(variable) || NaN) > 0;
    return !chosen || better === (chosen === "better");
  };

  const select = () => {
    const text = tools.text.value.trim().toLowerCase(), chosen = tools.chosen.value;
    for (const row of rows) row.hidden = !isChosen(row.dataset, text, chosen);
    const shown = [...answers].filter((row) => !row.hidden).length;
    tools.shown.value = text || chosen ? `${shown} of ${answers.length} listed` : "";
  };

  const fold = () => {
    const open = tools.fold.getAttribute("aria-expanded") === "false";
    for (const card of cards) card.open = open && !card.hidden;
    tools.fold.setAttribute("aria-expanded", String(open));
    tools.fold.textContent = open ? "Fold all" : "Unfold all";
  };

  // A name; else a number as the page writes it, with a minus sign and narrow spaces. Some cells
  // have a label for narrow screens before it.
  const valueOf = (cell) => {
    const shown = [...cell.childNodes].filter((node) => node.className !== "narrow");
    const text = shown.map((node) => node.textContent).join("").trim();
    if (cell.tagName === "TH" || cell.className === "rules") return text;
    return Number.parseFloat(text.replaceAll("\u2212", "-").replace(/[\s\u202f\u00a0]/g, ""));
  };

  const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b));

  const sort = (table, heading, button) => {
    const column = [...heading.parentElement.children].indexOf(heading);
    const down = heading.getAttribute("aria-sort") !== "descending";
    for (const other of heading.parentElement.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => [valueOf(row.cells[column]), row]);
    const missing = keyed.filter(([value]) => Number.isNaN(value));
    const present = keyed.filter(([value]) => !Number.isNaN(value));
    present.sort(([a], [b]) => (down ? compare(b, a) : compare(a, b)));
    body.append(...[...present, ...missing].map(([, row]) => row));
    button.focus();
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    for (const heading of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      button.addEventListener("click", () => sort(table, heading, button));
      heading.append(button);
    }
  }

  // A link into what is folded opens it, also when it is followed a second time.
  const unfold = (hash) => {
    const folded = hash && document.getElementById(hash.slice(1))?.closest("details");
    if (folded) folded.open = true;
  };
  document.addEventListener("click", (event) => unfold(event.target.closest("a")?.hash));
  addEventListener("hashchange", () => unfold(location.hash));
  unfold(location.hash);

  tools.addEventListener("submit", (event) => event.preventDefault());
  tools.text.addEventListener("input", select);
  tools.chosen.addEventListener("change", select);
  tools.fold.addEventListener("click", fold);
  tools.hidden = rows.length === 0;
}

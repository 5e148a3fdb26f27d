"use strict";
// Search, sorting and columns of every table. What is set stands in the address after "#":
// q=words, off=hidden,columns and, by a table's id, column,up or column,down.
(() => {
  const byId = (id) => document.getElementById(id);
  const search = byId("search");
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const tables = [...document.querySelectorAll("table.data")].map(read);
  const state = { words: "", sorts: new Map(), off: new Set() };
  let timer = 0;

  function read(table) {
    const headings = [...table.tHead.rows[0].cells];
    const rows = [...table.tBodies[0].rows].map((row, order) => {
      const cells = Array.from(row.cells, (cell) => cell.textContent);
      return { row, order, text: [...cells, table.dataset.also].join("\n").toLowerCase() };
    });
    return { table, headings, rows, none: table.parentElement.querySelector(".none") };
  }

  // A number by its value, a text by its letters, what is missing last in both directions.
  function sort(entry) {
    const { table, headings, rows } = entry;
    const [key, direction] = state.sorts.get(table.id) ?? [];
    const column = headings.findIndex((heading) => heading.dataset.key === key);
    if (column < 0 && !entry.sorted) return;
    entry.sorted = column >= 0;
    headings.forEach((heading, at) => {
      if (at === column) heading.setAttribute("aria-sort", direction === "down" ? "descending" : "ascending");
      else heading.removeAttribute("aria-sort");
    });
    const number = column >= 0 && headings[column].classList.contains("number");
    const sign = direction === "down" ? -1 : 1;
    const keyed = rows.map((entry) => ({ entry, value: column < 0 ? null : valueOf(entry.row.cells[column], number) }));
    keyed.sort((one, other) => {
      if (column < 0) return one.entry.order - other.entry.order;
      if (one.value === null || other.value === null) {
        return (one.value === null) - (other.value === null) || one.entry.order - other.entry.order;
      }
      const apart = number ? one.value - other.value : collator.compare(one.value, other.value);
      return sign * apart || one.entry.order - other.entry.order;
    });
    table.tBodies[0].append(...keyed.map(({ entry }) => entry.row));
  }

  function valueOf(cell, number) {
    if (number) return cell.dataset.v === undefined ? null : Number(cell.dataset.v);
    return cell.textContent.trim() || null;
  }

  function filter() {
    const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    let all = 0;
    for (const { rows, none } of tables) {
      let here = 0;
      for (const { row, text } of rows) {
        const matches = words.every((word) => text.includes(word));
        row.hidden = !matches;
        here += matches;
      }
      none.hidden = here > 0;
      shown += here;
      all += rows.length;
    }
    const found = shown === 0 ? "No row matches" : `${shown} of ${all} rows shown`;
    byId("shown").textContent = words.length ? found : `${all} rows`;
  }

  function hide() {
    for (const { headings, rows } of tables) {
      headings.forEach((heading, column) => {
        if (heading.dataset.optional === undefined) return;
        const hidden = state.off.has(heading.dataset.key);
        if (heading.hidden === hidden) return;
        heading.hidden = hidden;
        for (const { row } of rows) row.cells[column].hidden = hidden;
      });
    }
    for (const box of document.querySelectorAll("#columns input")) box.checked = !state.off.has(box.value);
  }

  function load() {
    const kept = new URLSearchParams(location.hash.slice(1));
    state.words = kept.get("q") ?? "";
    state.off = new Set((kept.get("off") ?? "").split(",").filter(Boolean));
    state.sorts.clear();
    for (const { table, headings } of tables) {
      const [key, direction] = (kept.get(table.id) ?? "").split(",");
      if (headings.some((heading) => heading.dataset.key === key)) state.sorts.set(table.id, [key, direction]);
    }
    search.value = state.words;
    filter();
    hide();
    tables.forEach(sort);
  }

  // Not at every letter: browsers stop pages that change their address too often.
  function keep() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const kept = new URLSearchParams();
      if (state.words.trim()) kept.set("q", state.words.trim());
      if (state.off.size) kept.set("off", [...state.off].join(","));
      for (const [id, by] of state.sorts) kept.set(id, by.join(","));
      history.replaceState(null, "", `#${kept}`);
    }, 150);
  }

  function choices() {
    const known = new Map();
    for (const { headings } of tables) {
      for (const heading of headings) {
        const { key, optional } = heading.dataset;
        if (optional !== undefined && !known.has(key)) known.set(key, heading.textContent);
      }
    }
    for (const [key, text] of known) {
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      box.value = key;
      box.addEventListener("change", () => {
        if (box.checked) state.off.delete(key);
        else state.off.add(key);
        hide();
        keep();
      });
      label.append(box, ` ${text}`);
      byId("columns").querySelector("div").append(label);
    }
    byId("columns").hidden = known.size === 0;
  }

  function buttons(entry) {
    for (const heading of entry.headings) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      button.addEventListener("click", () => {
        const { key } = heading.dataset;
        const [before, direction] = state.sorts.get(entry.table.id) ?? [];
        state.sorts.set(entry.table.id, [key, before === key && direction === "up" ? "down" : "up"]);
        sort(entry);
        keep();
      });
      heading.append(button);
    }
  }

  choices();
  tables.forEach(buttons);
  search.addEventListener("input", () => {
    state.words = search.value;
    filter();
    keep();
  });
  byId("reset").addEventListener("click", () => {
    clearTimeout(timer);
    history.replaceState(null, "", "#");
    load();
  });
  document.addEventListener("click", (event) => {
    if (!byId("columns").contains(event.target)) byId("columns").open = false;
    const link = event.target.closest("a[href^='#']");
    if (!link) return;
    // The address keeps the tables' state, so a jump must not write over it.
    event.preventDefault();
    byId(link.hash.slice(1)).scrollIntoView();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") byId("columns").open = false;
  });
  addEventListener("hashchange", load);
  byId("tools").hidden = false;
  load();
})();

// Selecting rows of a <wv-rows>: boxes, ranges, keys, and what the bulk bar says about it.
import { word } from "./words.js";

export class Selection {
  #list; #last = null; #current = null;

  constructor(list) {
    this.#list = list;
    for (const kind of ["click", "change"]) list.addEventListener(kind, this);
    document.addEventListener("keydown", this);
    this.update();
  }

  release() {
    for (const kind of ["click", "change"]) this.#list.removeEventListener(kind, this);
    document.removeEventListener("keydown", this);
  }

  get #boxes() { return [...this.#list.querySelectorAll("tbody .c-sel input")]; }
  get #head() { return this.#list.querySelector("thead .c-sel input"); }

  handleEvent(event) {
    if (event.type === "keydown") return this.#key(event);
    if (event.type === "click" && event.target.matches("tbody .c-sel input")) return this.#clicked(event.target, event.shiftKey);
    if (event.type === "click" && event.target.closest("[data-clear]")) return this.#clear();
    if (event.type === "click" && event.target.closest("[data-all]")) return this.#all();
    if (event.type === "change" && event.target === this.#head) this.#boxes.forEach((box) => { box.checked = this.#head.checked; });
    if (event.type === "change") this.update();
  }

  /** The head box and the bulk bar follow the rows. */
  update() {
    const boxes = this.#boxes, chosen = boxes.filter((box) => box.checked), head = this.#head;
    if (head) { head.checked = boxes.length > 0 && chosen.length === boxes.length; head.indeterminate = chosen.length > 0 && !head.checked; }
    if (this.#current && !this.#current.isConnected) this.#current = null;
    this.#current?.classList.add("is-cur");
    const everything = this.#list.querySelector("input[name=all]");
    if (everything?.value && chosen.length < boxes.length) everything.value = "";
    for (const bar of this.#list.querySelectorAll(".wv-bulk")) this.#tell(bar, chosen.map((box) => box.closest("tr").dataset.state), Boolean(everything?.value));
  }

  #tell(bar, states, everything) {
    const all = bar.querySelector("[data-all]"), why = new Set();
    bar.querySelector("[data-count]").textContent = everything && all ? all.dataset.all || all.textContent : word("selected", { n: states.length });
    if (all) { all.hidden = everything; all.setAttribute("aria-pressed", everything); }
    for (const button of bar.querySelectorAll("[data-states]")) {
      const wanted = button.dataset.states.split(" "), able = everything || states.some((state) => wanted.includes(state));
      if (able) button.removeAttribute("aria-disabled"); else { button.setAttribute("aria-disabled", "true"); why.add(button.dataset.why); }
    }
    const place = bar.querySelector("[data-why-not]");
    if (place) place.textContent = [...why].filter(Boolean).join(" ");
  }

  #clicked(box, isRange) {
    const boxes = this.#boxes;
    if (isRange && this.#last?.isConnected) {
      const [from, to] = [boxes.indexOf(this.#last), boxes.indexOf(box)].sort((a, b) => a - b);
      boxes.slice(from, to + 1).forEach((between) => { between.checked = box.checked; });
    }
    this.#last = box;
    this.update();
  }

  #clear() {
    this.#boxes.forEach((box) => { box.checked = false; });
    this.update();
  }

  #all() {
    const everything = this.#list.querySelector("input[name=all]");
    this.#boxes.forEach((box) => { box.checked = true; });
    if (everything) everything.value = location.search || "?";
    this.update();
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), select, textarea, dialog, [popover], [contenteditable], wv-tree")) return;
    if (event.key === "j" || event.key === "k") return this.#step(event.key === "j" ? 1 : -1);
    const row = this.#current;
    if (event.key === "x" && row) { const box = row.querySelector(".c-sel input"); box.checked = !box.checked; this.#clicked(box, event.shiftKey); }
    if (event.key === "Enter" && row && (event.target === document.body || event.target === row || event.target.id === "main")) row.querySelector("th a")?.click();
    if (event.key === "Escape" && this.#boxes.some((box) => box.checked)) this.#clear();
  }

  #step(by) {
    const rows = this.#list.rows;
    const next = rows[Math.min(rows.length - 1, Math.max(0, rows.indexOf(this.#current) + by))];
    if (!next) return;
    this.#current?.classList.remove("is-cur");
    this.#current = next;
    next.classList.add("is-cur");
    next.tabIndex = -1;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }
}

// <wv-palette src="/search/"><dialog>… <input role="combobox" name="q"> … <div role="listbox" id="wv-found"> …</dialog></wv-palette>
// Search everything: Ctrl-K, "/" or a [data-palette] button. Asks `src?q=` (header WV-Fragment: palette) while one types and
// shows the answer (templates/frame/found.html: <a role="option">). Arrows move, Enter goes, Escape closes.
import { fragment } from "./fragment.js";
import { parse } from "./morph.js";

const TYPING_MS = 120;

class WvPalette extends HTMLElement {
  #request = null; #timer = 0;

  get dialog() { return this.querySelector("dialog"); }
  get input() { return this.querySelector("input"); }
  get list() { return this.querySelector("[role=listbox]"); }
  get options() { return [...this.list.querySelectorAll("[role=option]")]; }

  connectedCallback() {
    for (const kind of ["keydown", "click"]) document.addEventListener(kind, this);
    for (const kind of ["input", "submit"]) this.addEventListener(kind, this);
  }

  disconnectedCallback() {
    for (const kind of ["keydown", "click"]) document.removeEventListener(kind, this);
    for (const kind of ["input", "submit"]) this.removeEventListener(kind, this);
    clearTimeout(this.#timer);
    this.#request?.abort();
  }

  handleEvent(event) {
    if (event.type === "keydown") this.#key(event);
    else if (event.type === "input") { clearTimeout(this.#timer); this.#timer = setTimeout(() => this.#search(), TYPING_MS); }
    else if (event.type === "submit") { event.preventDefault(); (this.#chosen ?? this.options[0])?.click(); }
    else if (event.target.closest("[data-palette]")) this.open();
    else if (event.target === this.dialog) this.dialog.close();
    else if (this.list.contains(event.target) && event.target.closest("a")) this.dialog.close();
  }

  open() {
    if (this.dialog.open) return;
    this.dialog.showModal();
    this.input.select();
    this.#search();
  }

  async #search() {
    this.#request?.abort();
    this.#request = new AbortController();
    try {
      const url = `${this.getAttribute("src")}?q=${encodeURIComponent(this.input.value.trim())}`;
      this.list.replaceChildren(parse(await fragment(url, "palette", this.#request)));
    } catch (error) {
      if (error.name !== "AbortError") this.list.replaceChildren();
      return;
    }
    this.options.forEach((option, index) => { option.id = `wv-found-${index}`; });
    this.input.setAttribute("aria-expanded", String(this.options.length > 0));
    this.#choose(this.input.value.trim() ? this.options[0] : null);
  }

  get #chosen() { return this.list.querySelector("[aria-selected=true]"); }

  #choose(option) {
    this.#chosen?.setAttribute("aria-selected", "false");
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) this.input.setAttribute("aria-activedescendant", option.id);
    else this.input.removeAttribute("aria-activedescendant");
  }

  #key(event) {
    const isTyping = event.target.closest?.("input, textarea, select, [contenteditable]");
    if ((event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !isTyping && !document.querySelector("dialog[open]"))) {
      event.preventDefault();
      return this.open();
    }
    if (!this.contains(event.target) || (event.key !== "ArrowDown" && event.key !== "ArrowUp")) return;
    event.preventDefault();
    const { options } = this, at = options.indexOf(this.#chosen), by = event.key === "ArrowDown" ? 1 : -1;
    this.#choose(options[(at + by + options.length) % options.length]);
  }
}

customElements.define("wv-palette", WvPalette);

// <wv-theme><button type="button">…</button></wv-theme>
// Switches light and dark; any [data-theme-to="light|dark|system"] of the page sets one. Remembered in this browser
// (first-paint.js reads it), followed by its other tabs. Event on document: wv:theme, for what paints by itself.
const KEY = "wv-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

class WvTheme extends HTMLElement {
  connectedCallback() {
    document.addEventListener("click", this);
    addEventListener("storage", this);
    dark.addEventListener("change", this);
  }

  disconnectedCallback() {
    document.removeEventListener("click", this);
    removeEventListener("storage", this);
    dark.removeEventListener("change", this);
  }

  handleEvent(event) {
    if (event.type === "change" || event.key === KEY) return this.#apply();
    if (event.type !== "click") return;
    const chosen = event.target.closest("[data-theme-to]")?.dataset.themeTo;
    if (chosen) this.#choose(chosen);
    else if (this.contains(event.target) && event.target.closest("button")) this.#choose(document.documentElement.dataset.bsTheme === "dark" ? "light" : "dark");
  }

  #choose(theme) {
    try { localStorage.setItem(KEY, theme); } catch { /* this page only */ }
    this.#apply(theme);
  }

  #apply(theme = localStorage.getItem(KEY)) {
    document.documentElement.dataset.bsTheme = theme === "dark" || (theme !== "light" && dark.matches) ? "dark" : "light";
    document.dispatchEvent(new CustomEvent("wv:theme"));
  }
}

customElements.define("wv-theme", WvTheme);

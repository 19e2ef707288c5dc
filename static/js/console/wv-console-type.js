// <wv-console-type for="console"><dialog>… textarea, select[name=layout], [data-missing], progress, [data-go], [data-stop], [data-paste] …
// Types a text into the machine as keystrokes; what the layout has no keys for is named before. A serial line gets the text as it is.
import { missing } from "./layouts.js";
import { type } from "./typing.js";

const KEPT = "wv-console-layout";

class WvConsoleType extends HTMLElement {
  #stop = null;

  get dialog() { return this.querySelector("dialog"); }
  get #screen() { return document.getElementById(this.getAttribute("for")).screen; }
  get #text() { return this.querySelector("textarea"); }
  get #layout() { return this.querySelector("select"); }

  connectedCallback() {
    this.#layout.value = localStorage.getItem(KEPT) ?? "us";
    for (const kind of ["click", "input", "change"]) this.addEventListener(kind, this);
    document.addEventListener("click", this);
    document.addEventListener("wv:copied", this);
  }

  disconnectedCallback() {
    this.#stop?.abort();
    for (const kind of ["click", "input", "change"]) this.removeEventListener(kind, this);
    document.removeEventListener("click", this);
    document.removeEventListener("wv:copied", this);
  }

  handleEvent(event) {
    if (event.type === "wv:copied") { this.querySelector("[data-copied]").value = event.detail.text; return; }
    if (event.type !== "click") return this.#check();
    if (event.currentTarget === document) { if (event.target.closest("[data-type]:not([aria-disabled=true])")) { this.dialog.showModal(); this.#check(); } return; }
    const { target } = event;
    if (target.closest("[data-go]")) this.#go();
    else if (target.closest("[data-stop]")) { this.#stop?.abort(); this.dialog.close(); }
    else if (target.closest("[data-clip]")) this.#clip();
    else if (target.closest("[data-hand]")) { this.#screen?.paste(this.#text.value); this.dialog.close(); }
  }

  #check() {
    localStorage.setItem(KEPT, this.#layout.value);
    const none = this.#screen?.sendsText ? [] : missing(this.#text.value, this.#layout.value), place = this.querySelector("[data-missing]");
    place.hidden = !none.length;
    place.querySelector("b").textContent = none.join(" ");
  }

  async #clip() {
    try { this.#text.value = await navigator.clipboard.readText(); this.#check(); } catch { this.#text.focus(); }
  }

  async #go() {
    const screen = this.#screen, bar = this.querySelector("progress");
    if (!screen) return;
    if (screen.sendsText) { screen.text(this.#text.value.replaceAll("\n", "\r")); return this.dialog.close(); }
    this.#stop = new AbortController();
    bar.hidden = false;
    await type(screen, this.#text.value, this.#layout.value, { signal: this.#stop.signal, told: (done, of) => { bar.max = of; bar.value = done; } });
    bar.hidden = true;
    if (this.dialog.open) this.dialog.close();
    screen.focus();
  }
}

customElements.define("wv-console-type", WvConsoleType);

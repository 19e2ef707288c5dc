// <wv-copy></wv-copy> once a page; then <button type="button" data-copy="10.20.8.12" aria-label="Copy 10.20.8.12">
// puts the text into the clipboard and says so in the button's place for a moment (title and a polite status).
import { word } from "./words.js";

class WvCopy extends HTMLElement {
  connectedCallback() {
    this.setAttribute("role", "status");
    this.className = "wv-vh";
    document.addEventListener("click", this);
  }

  disconnectedCallback() { document.removeEventListener("click", this); }

  async handleEvent(event) {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    if (!(await copied(button.dataset.copy))) return;
    this.textContent = word("copied");
    button.classList.add("is-copied");
    setTimeout(() => { button.classList.remove("is-copied"); this.textContent = ""; }, 1500);
  }
}

/** The clipboard API needs a secure page; over plain HTTP the old way still works. */
async function copied(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "wv-vh";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

customElements.define("wv-copy", WvCopy);

// <wv-dialog><dialog class="wv-dialog"><div data-body></div></dialog></wv-dialog>, once a page.
// <a href="/machines/42/remove/" data-dialog [data-wide]> opens its page's piece in the dialog (header WV-Fragment: dialog); without
// this script it is a page. The event wv:dialog {html} on document shows a result. A form sent from it, [data-close],
// Escape or a click beside it close it.
import { Refused, fragment } from "./fragment.js";
import { parse } from "./morph.js";
import { word } from "./words.js";

class WvDialog extends HTMLElement {
  get dialog() { return this.querySelector("dialog"); }

  connectedCallback() {
    for (const kind of ["click", "wv:dialog", "wv:sent"]) document.addEventListener(kind, this);
  }

  disconnectedCallback() {
    for (const kind of ["click", "wv:dialog", "wv:sent"]) document.removeEventListener(kind, this);
  }

  handleEvent(event) {
    if (event.type === "wv:dialog") return this.show(event.detail.html);
    if (event.type === "wv:sent") { if (this.contains(event.target) && event.detail.response.status !== 200) this.dialog.close(); return; }
    const link = event.target.closest("a[data-dialog]");
    if (link && !(event.ctrlKey || event.metaKey || event.shiftKey)) { event.preventDefault(); this.#open(link); }
    else if (event.target === this.dialog) this.dialog.close();
    else if (this.contains(event.target) && event.target.closest("[data-close]")) { event.preventDefault(); this.dialog.close(); }    // a link without this script
  }

  async #open(link) {
    try {
      this.show(await fragment(link.href, "dialog"), "wide" in link.dataset);
    } catch (error) {
      if (error instanceof Refused && error.status === 401) return;
      const text = document.createElement("p");
      text.textContent = error instanceof Refused ? (error.status === 403 ? word("forbidden") : error.status === 404 ? word("gone") : word("failed", { status: error.status })) : word("unreachable");
      this.show(`<div class="body">${text.outerHTML}</div>`);
    }
  }

  show(html, wide = false) {
    this.querySelector("[data-body]").replaceChildren(parse(html));
    this.dialog.classList.toggle("is-wide", wide);
    const title = this.querySelector("h2");
    if (title) { title.id ||= "wv-dialog-title"; this.dialog.setAttribute("aria-labelledby", title.id); }
    if (!this.dialog.open) this.dialog.showModal();
    (this.querySelector("[autofocus]") ?? this.querySelector("[data-body] :is(input:not([type=hidden]), select, textarea)") ?? this.querySelector("footer button, footer a"))?.focus();
  }
}

customElements.define("wv-dialog", WvDialog);

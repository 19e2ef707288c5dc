// <wv-side class="wv-side" id="side">…</wv-side> and a button [data-side] that opens it.
// On a phone the side slides in over the page: Escape, a click beside it or on a link closes it, focus goes in and back.
class WvSide extends HTMLElement {
  connectedCallback() {
    document.addEventListener("click", this);
    document.addEventListener("keydown", this);
  }

  disconnectedCallback() {
    document.removeEventListener("click", this);
    document.removeEventListener("keydown", this);
    delete document.documentElement.dataset.side;
  }

  get isOpen() { return document.documentElement.dataset.side === "open"; }
  get button() { return document.querySelector("[data-side]:not(html)"); }

  handleEvent(event) {
    if (event.type === "keydown") { if (event.key === "Escape" && this.isOpen) this.#set(false); return; }
    if (event.target.closest("[data-side]:not(html)")) this.#set(!this.isOpen);
    else if (this.isOpen && !this.contains(event.target)) { event.preventDefault(); this.#set(false); }
  }

  #set(open) {
    document.documentElement.dataset.side = open ? "open" : "";
    this.button.setAttribute("aria-expanded", open);
    if (open) requestAnimationFrame(() => this.querySelector("a")?.focus());
    else this.button.focus();
  }
}

customElements.define("wv-side", WvSide);

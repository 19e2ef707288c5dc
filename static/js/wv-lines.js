// <wv-lines><textarea>…</textarea></wv-lines>: line numbers beside a text, and the place of the caret; Tab indents by two spaces after
// Enter was pressed or the caret moved, and leaves the field after Escape, so that the keyboard is never caught in it.
class WvLines extends HTMLElement {
  #numbers = null; #count = 0; #leaving = false;

  connectedCallback() {
    this.#numbers = document.createElement("pre");
    this.#numbers.className = "wv-nums";
    this.#numbers.setAttribute("aria-hidden", "true");
    this.#numbers.dataset.keep = "";
    this.prepend(this.#numbers);
    for (const kind of ["input", "keydown"]) this.addEventListener(kind, this);
    this.field.addEventListener("scroll", this);
    this.#draw();
  }

  disconnectedCallback() {
    for (const kind of ["input", "keydown"]) this.removeEventListener(kind, this);
    this.field?.removeEventListener("scroll", this);
    this.#numbers?.remove();
  }

  get field() { return this.querySelector("textarea"); }

  handleEvent(event) {
    if (event.type === "scroll") this.#numbers.scrollTop = this.field.scrollTop;
    if (event.type === "input") this.#draw();
    if (event.type !== "keydown") return;
    if (event.key === "Tab" && !event.shiftKey && !this.#leaving) {
      event.preventDefault();
      this.field.setRangeText("  ", this.field.selectionStart, this.field.selectionEnd, "end");
      this.field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    this.#leaving = event.key === "Escape";
  }

  #draw() {
    const count = this.field.value.split("\n").length;
    if (count === this.#count) return;
    this.#count = count;
    this.#numbers.textContent = Array.from({ length: count }, (_, index) => index + 1).join("\n");
  }
}

customElements.define("wv-lines", WvLines);

// <wv-filter><form method="get" data-nav>… <a data-chip href>×</a> <input type="hidden" name="f"> … <input type="search" name="q">…</form></wv-filter>
//
// The filter box of a list inside a <wv-live> or <wv-rows>. While one types, the list follows (data-nav). Enter makes a chip of
// what was typed: it moves into a hidden `f`, and the list's own submit handler asks the server, which draws the chip.
// Backspace in the empty box takes the last chip away. Without this script Enter sends the button `add`, to the same end.
class WvFilter extends HTMLElement {
  connectedCallback() {
    this.addEventListener("submit", this);
    this.addEventListener("keydown", this);
  }

  disconnectedCallback() {
    this.removeEventListener("submit", this);
    this.removeEventListener("keydown", this);
  }

  handleEvent(event) {
    const box = this.querySelector("input[name=q]");
    if (event.type === "submit") this.#commit(event.target, box);
    else if (event.key === "Backspace" && event.target === box && !box.value) [...this.querySelectorAll("[data-chip]")].at(-1)?.click();
  }

  #commit(form, box) {
    if (!box.value.trim()) return;
    const chip = Object.assign(document.createElement("input"), { type: "hidden", name: "f", value: box.value.trim() });
    form.insertBefore(chip, box);
    box.value = box.defaultValue = "";
  }
}

customElements.define("wv-filter", WvFilter);

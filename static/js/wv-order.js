// <wv-order><textarea name="order">a\nb</textarea><ol><li data-name="a" draggable="true"><input type="checkbox" checked> … <button data-move="up">
// <button data-move="down"></li>…</ol></wv-order>
//
// An order that is typed line by line where there are no scripts: here it is a list (the sheet shows one or the other) whose entries are
// ticked, dragged, and moved by their buttons or with Alt and the arrow keys. The textarea holds what is ticked, in order, and says `change`.
class WvOrder extends HTMLElement {
  #dragged = null;

  connectedCallback() { for (const kind of KINDS) this.addEventListener(kind, this); }

  disconnectedCallback() { for (const kind of KINDS) this.removeEventListener(kind, this); }

  get list() { return this.querySelector("ol"); }
  get field() { return this.querySelector("textarea"); }

  handleEvent(event) {
    const item = event.target.closest?.("li");
    if (event.type === "change" && event.target !== this.field) { event.stopPropagation(); this.#tell(); }
    if (!item) return;
    if (event.type === "click") {
      const move = event.target.closest("[data-move]")?.dataset.move;
      if (move) this.#move(item, move, event.target.closest("button"));
    }
    if (event.type === "keydown" && event.altKey && ["ArrowUp", "ArrowDown"].includes(event.key)) {
      event.preventDefault();
      this.#move(item, event.key === "ArrowUp" ? "up" : "down", event.target);
    }
    if (event.type === "dragstart") { this.#dragged = item; event.dataTransfer.effectAllowed = "move"; item.classList.add("is-dragged"); }
    if (event.type === "dragover" && this.#dragged) {
      event.preventDefault();
      const box = item.getBoundingClientRect(), later = event.clientY > box.top + box.height / 2;
      if (item !== this.#dragged) item[later ? "after" : "before"](this.#dragged);
    }
    if (event.type === "drop") event.preventDefault();
    if (event.type === "dragend") { this.#dragged?.classList.remove("is-dragged"); this.#dragged = null; this.#tell(); }
  }

  #move(item, where, focused) {
    const beside = where === "up" ? item.previousElementSibling : item.nextElementSibling;
    if (!beside) return;
    if (where === "up") beside.before(item); else beside.after(item);
    focused?.focus();
    this.#tell();
  }

  #tell() {
    this.field.value = [...this.list.children].filter((item) => item.querySelector("input").checked).map((item) => item.dataset.name).join("\n");
    this.field.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

const KINDS = ["change", "click", "keydown", "dragstart", "dragover", "drop", "dragend"];
customElements.define("wv-order", WvOrder);

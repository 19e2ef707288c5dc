// <wv-console-touch for="console"><button>…</button><textarea></textarea></wv-console-touch>: the keyboard of a phone. It gives characters,
// not keys, so they are typed as a text is, by the layout that the person chose there.
import { press } from "./keys.js";
import { type } from "./typing.js";

class WvConsoleTouch extends HTMLElement {
  #line = Promise.resolve();

  get #text() { return this.querySelector("textarea"); }
  get #screen() { return document.getElementById(this.getAttribute("for")).screen; }

  connectedCallback() { for (const kind of ["click", "beforeinput"]) this.addEventListener(kind, this); }
  disconnectedCallback() { for (const kind of ["click", "beforeinput"]) this.removeEventListener(kind, this); }

  handleEvent(event) {
    if (event.type === "click") { this.#text.focus(); return; }
    const screen = this.#screen;
    if (event.isComposing || !screen) return;
    event.preventDefault();
    if (event.inputType === "deleteContentBackward") press(screen, ["Backspace"]);
    else if (event.inputType === "insertLineBreak") press(screen, ["Enter"]);
    else if (event.data) this.#line = this.#line.then(() => type(screen, event.data, localStorage.getItem("wv-console-layout") ?? "us"));
  }
}

customElements.define("wv-console-touch", WvConsoleTouch);

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
    const key = { deleteContentBackward: "Backspace", insertLineBreak: "Enter" }[event.inputType];
    if (key) this.#next(() => press(screen, [key]));
    else if (event.data) this.#next(() => type(screen, event.data, localStorage.getItem("wv-console-layout") ?? "us"));
  }

  /** In the order in which it was typed: characters take their time. */
  #next(deed) { this.#line = this.#line.then(deed); }
}

customElements.define("wv-console-touch", WvConsoleTouch);

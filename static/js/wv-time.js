// <wv-time at="2026-11-22T14:02:00Z" [as="span"]>3 min ago</wv-time>
// A moment, told as the time since, ticking; the exact moment in the person's own zone on hover. With as="span" it is a
// duration that still grows ("41 d"), with as="moment" or as="clock" the exact time, with or without its day, for logs.
// The server writes the first text, so it reads well without this script too.
import { now } from "./clock.js";
import { coarse } from "./format.js";
import { word } from "./words.js";

// Swedish writes dates the way logs do: 2026-11-23 02:36:34.
const EXACT = { moment: (at) => at.toLocaleString("sv"), clock: (at) => at.toLocaleTimeString("sv") };
const all = new Set();
let timer = 0;

class WvTime extends HTMLElement {
  static observedAttributes = ["at"];

  connectedCallback() {
    all.add(this);
    timer ||= setInterval(() => all.forEach((element) => element.tick()), 5_000);
    this.tick();
  }

  disconnectedCallback() {
    all.delete(this);
    if (!all.size) { clearInterval(timer); timer = 0; }
  }

  attributeChangedCallback() { if (this.isConnected) this.tick(); }

  tick() {
    const at = new Date(this.getAttribute("at"));
    if (Number.isNaN(at.getTime())) return;
    const seconds = (now() - at) / 1000, time = coarse(seconds);
    const as = this.getAttribute("as");
    const text = EXACT[as]?.(at) ?? (as === "span" ? time : seconds < 5 ? word("now") : word("ago", { time }));
    if (this.textContent !== text) this.textContent = text;
    const exact = at.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium" });
    if (this.title !== exact) this.title = exact;
  }
}

customElements.define("wv-time", WvTime);

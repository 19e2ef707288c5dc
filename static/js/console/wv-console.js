// <wv-console machine="42" kind="vnc" port="0" share="" may-act name="web-1" data-connecting="…" data-…><div data-place></div>
//   <div class="wv-over" data-over>…</div></wv-console>
// Opens a machine's screen and keeps it open: after a restart, a migration or a bridge's end it comes back by itself, as soon as the
// live link says that the machine is there. Words come from data-*. Speaks by wv:screen {screen|null}, and wv:over when the person may not see it any more.
import { subscribe } from "../live.js";
import { NoConsole, post } from "./link.js";

const SCREENS = { vnc: () => import("./vnc.js"), spice: () => import("./spice.js"), serial: () => import("./serial.js") };
const LONGEST_MS = 8_000, FINAL = [401, 403, 404, 4401, 4403];

class WvConsole extends HTMLElement {
  static ownsChildren = true;      // for morph.js
  #screen = null; #tries = 0; #timer = 0; #round = 0; #isOpen = false; #isFinal = false; #isBusy = false; #cancel = null; #watching = false;

  get screen() { return this.#isOpen ? this.#screen : null; }
  get #base() { return `/consoles/${this.getAttribute("machine")}/`; }
  get #place() { return this.querySelector("[data-place]"); }

  connectedCallback() {
    this.#watching = !this.hasAttribute("may-act");
    this.#cancel = subscribe(this.getAttribute("topics").split(" "), { fact: () => this.#hint(), catchUp: () => this.#hint() });
    this.addEventListener("click", this);
    addEventListener("online", this);
    if (this.getAttribute("kind")) this.#go(); else this.#see();
  }

  disconnectedCallback() {
    this.#cancel?.();
    this.removeEventListener("click", this);
    removeEventListener("online", this);
    this.#drop();
  }

  handleEvent(event) {
    if (event.type === "online") this.#hint();
    else if (event.target.closest("[data-again]")) { this.#isFinal = false; this.#tries = 0; this.#go(); }
  }

  /** Another kind of screen, or the same with other rights to it. */
  show(kind, port, isWatching = this.#watching) {
    this.setAttribute("kind", kind);
    this.setAttribute("port", port);
    this.#watching = isWatching;
    this.#isFinal = false;
    this.#tries = 0;
    this.#go();
  }

  watch(isWatching) { this.show(this.getAttribute("kind"), this.getAttribute("port"), isWatching); }

  async #go() {
    this.#drop();
    this.#isBusy = true;
    const round = this.#round, kind = this.getAttribute("kind");
    if (!this.#tries) this.#say("connecting");
    try {
      const { open, SOCKETS = 1 } = await SCREENS[kind]();
      const answer = await post(`${this.#base}tickets/`, { kind, serial_port: Number(this.getAttribute("port")), view_only: this.#watching, share: this.getAttribute("share"), count: SOCKETS });
      if (round !== this.#round) return;
      const screen = await open(this.#place, answer, {
        opened: () => { if (round === this.#round) this.#opened(); },
        closed: (code, why) => { if (round === this.#round) this.#lost(code, why); },
        copied: (text) => this.dispatchEvent(new CustomEvent("wv:copied", { bubbles: true, detail: { text } })),
      });
      if (round === this.#round) this.#screen = screen; else screen.close();
      if (this.#isOpen) this.#tell();
    } catch (error) {
      if (round === this.#round) this.#lost(error instanceof NoConsole ? error.status : 0, error instanceof NoConsole ? error.message : "");
    }
  }

  #opened() {
    this.#isBusy = false;
    this.#isOpen = true;
    this.#tries = 0;
    this.#say("");
    if (this.#screen) this.#tell();
  }

  #tell() {
    this.dispatchEvent(new CustomEvent("wv:screen", { bubbles: true, detail: { screen: this.screen, kind: this.getAttribute("kind"), watching: this.#watching } }));
  }

  #lost(code, why) {
    this.#isBusy = false;
    this.#drop();
    this.#isFinal = FINAL.includes(code);
    if (this.#isFinal) this.dispatchEvent(new CustomEvent("wv:over", { bubbles: true }));
    if (code === 4429) this.#say("limit", why);
    else if (code === 401 || code === 4401) this.#say(code === 401 ? "signedOut" : "ended", why);
    else if (this.#isFinal) this.#say("ended", why);
    else this.#see(why);
    if (!this.#isFinal) this.#later(code);
  }

  #later(code) {
    clearTimeout(this.#timer);
    const wait = code === 4429 ? 15_000 : Math.min(LONGEST_MS, 250 * 2 ** this.#tries++) * (.75 + Math.random() / 2);
    this.#timer = setTimeout(() => this.#go(), wait);
  }

  /** Something changed: look whether the screen can be had now. */
  #hint() {
    if (this.#isOpen || this.#isBusy || this.#isFinal || document.hidden) return;
    clearTimeout(this.#timer);
    this.#tries = 0;
    this.#timer = setTimeout(() => this.#go(), 150);
  }

  /** What stands in the way, in the server's words. */
  async #see(why = "") {
    try {
      const answer = await fetch(`${this.#base}state/?share=${encodeURIComponent(this.getAttribute("share"))}`, { credentials: "same-origin" });
      const found = await answer.json();
      if (this.#isOpen) return;
      if (!this.getAttribute("kind") && found.best) { this.setAttribute("kind", found.best); return this.#go(); }
      const { machine, may } = found;
      this.#say(found.hardware && machine.active ? "none" : machine.stale ? "silent" : !machine.active ? "off" : "back", found.why || why);
      this.querySelector("[data-start]").hidden = machine.active || machine.stale || machine.gone || !may.power;
    } catch {
      if (!this.#isOpen) this.#say("unreachable", why);
    }
  }

  #say(what, why = "") {
    const over = this.querySelector("[data-over]");
    over.hidden = !what;
    this.dataset.state = what || "open";
    if (!what) return;
    over.querySelector("h2").textContent = this.dataset[what] ?? what;
    over.querySelector("[data-why]").textContent = why.replace(/\.$/, "") === this.dataset[what] ? "" : why;
    over.querySelector("[data-soon]").hidden = this.#isFinal || what === "none";
    over.querySelector("[data-hardware]").hidden = what !== "none";
    over.querySelector("[data-start]").hidden = true;
    over.querySelector("progress").hidden = this.#isFinal || ["off", "none"].includes(what);
  }

  #drop() {
    this.#round++;
    clearTimeout(this.#timer);
    const was = this.#isOpen;
    this.#isOpen = false;
    this.#screen?.close();
    this.#screen = null;
    const place = document.createElement("div");
    place.dataset.place = "";
    this.#place.replaceWith(place);
    if (was) this.#tell();
  }
}

customElements.define("wv-console", WvConsole);

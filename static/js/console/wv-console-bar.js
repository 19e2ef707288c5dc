// <wv-console-bar for="console">…</wv-console-bar>: what can be done with the open screen. Buttons: [data-press="ControlLeft AltLeft Delete"],
// [data-hold="ControlLeft"], [data-kind][data-port], [data-watch], [data-fit="scale|1:1|guest"], [data-quality="0…9"], [data-full], [data-picture], [data-reading]; a[data-viewer].
import { press } from "./keys.js";

class WvConsoleBar extends HTMLElement {
  #held = new Set(); #fit = "scale"; #quality = 6; #ping = 0;

  get console() { return document.getElementById(this.getAttribute("for")); }

  connectedCallback() {
    this.addEventListener("click", this);
    document.addEventListener("wv:screen", this);
    document.addEventListener("wv:over", this);
    document.addEventListener("visibilitychange", this);
    this.#measure();
  }

  disconnectedCallback() {
    this.removeEventListener("click", this);
    document.removeEventListener("wv:screen", this);
    document.removeEventListener("wv:over", this);
    document.removeEventListener("visibilitychange", this);
    clearTimeout(this.#ping);
  }

  handleEvent(event) {
    if (event.type === "wv:screen") return this.#changed(event.detail);
    if (event.type === "visibilitychange") return this.#measure();
    if (event.type === "wv:over") return this.querySelector("#console-who")?.replaceChildren();      // who is on it is not theirs to see any more
    const viewer = event.target.closest("a[data-viewer]");
    if (viewer) { event.preventDefault(); return this.#viewer(viewer.href); }
    const button = event.target.closest("button");
    if (!button || button.getAttribute("aria-disabled") === "true") return;
    const { dataset } = button, { screen } = this.console;
    if (dataset.kind) this.console.show(dataset.kind, dataset.port);
    else if ("watch" in dataset) this.console.watch(button.getAttribute("aria-pressed") !== "true");
    else if ("full" in dataset) this.#full();
    else if (dataset.fit) this.#fitTo(dataset.fit);
    else if (dataset.quality) this.#paint(Number(dataset.quality));
    else if (!screen) return;
    else if (dataset.press) { press(screen, dataset.press.split(" ")); this.#letGo(); screen.focus(); }
    else if (dataset.hold) this.#hold(button, screen);
    else if ("picture" in dataset) this.#picture(screen);
    else if ("reading" in dataset) { const on = button.getAttribute("aria-pressed") !== "true"; button.setAttribute("aria-pressed", on); screen.readAloud?.(on); screen.focus(); }
  }

  #changed({ screen, kind, watching }) {
    for (const button of this.querySelectorAll("[data-kind]")) button.setAttribute("aria-pressed", button.dataset.kind === kind && button.dataset.port === this.console.getAttribute("port"));
    this.querySelector("[data-watch]")?.setAttribute("aria-pressed", watching);
    for (const button of this.querySelectorAll("[data-acts]")) button.setAttribute("aria-disabled", !screen || watching);
    for (const part of this.querySelectorAll("[data-only]")) part.hidden = !part.dataset.only.split(" ").includes(kind);
    this.#held.clear();
    for (const button of this.querySelectorAll("[data-hold]")) button.setAttribute("aria-pressed", "false");
    screen?.fit(this.#fit);
    screen?.quality?.(this.#quality);
    if (!document.querySelector("dialog[open], [popover]:popover-open")) screen?.focus();
  }

  #hold(button, screen) {
    const code = button.dataset.hold, down = !this.#held.has(code);
    this.#held[down ? "add" : "delete"](code);
    screen.key(code, down);
    button.setAttribute("aria-pressed", down);
    screen.focus();
  }

  /** After a combination from the menu the keys that were held are up. */
  #letGo() {
    for (const button of this.querySelectorAll('[data-hold][aria-pressed="true"]')) this.#hold(button, this.console.screen);
  }

  #fitTo(mode) {
    this.#fit = mode;
    for (const button of this.querySelectorAll("[data-fit]")) button.setAttribute("aria-checked", button.dataset.fit === mode);
    this.console.screen?.fit(mode);
  }

  /** How well the picture is, against how many bytes it takes. */
  #paint(quality) {
    this.#quality = quality;
    for (const button of this.querySelectorAll("[data-quality]")) button.setAttribute("aria-checked", Number(button.dataset.quality) === quality);
    this.console.screen?.quality?.(quality);
  }

  #full() {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.documentElement.requestFullscreen().then(() => navigator.keyboard?.lock?.()).catch(() => {});
  }

  async #picture(screen) {
    const picture = await screen.picture(), time = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
    if (picture) save(picture, `${this.console.getAttribute("name")} ${time}.png`);
  }

  /** The host is asked first: until it has told, the answer is 202. What can't be is told by the page itself, beside us. */
  async #viewer(url) {
    for (let turn = 0; turn < 30; turn++) {
      const answer = await fetch(url, { credentials: "same-origin" });
      if (answer.status === 200) return save(await answer.blob(), `${this.console.getAttribute("name")}.vv`);
      if (answer.status !== 202) break;
      await new Promise((go) => setTimeout(go, 500));
    }
    open(url, "_blank", "noopener");
  }

  /** The way from here to the portal and back, which is most of what a keystroke waits for. */
  async #measure() {
    clearTimeout(this.#ping);
    if (document.hidden) return;
    const place = this.querySelector("[data-latency]"), from = performance.now();
    try {
      await fetch("/healthz", { cache: "no-store" });
      place.textContent = `${Math.max(1, Math.round(performance.now() - from))} ms`;
    } catch {
      place.textContent = "–";
    }
    this.#ping = setTimeout(() => this.#measure(), 5_000);
  }
}

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

customElements.define("wv-console-bar", WvConsoleBar);

// <wv-live id="load" topics="machine:42 host:3" [src="/machines/42/"] [delay="50"] [every="60000"]>…</wv-live>
//
// Keeps its content true: on a fact about one of its topics it fetches `src` (this page, if absent) with the header
// `WV-Fragment: <id>` and morphs the answer in, which holds the element itself, by the same include. One request in
// flight; what changed meanwhile is fetched right after it. A hidden tab waits until it is looked at. `every` (ms): averages
// and orders by them change without a fact, so it looks at least so often. One that joins a page that lives already looks once:
// what changed between its rendering and now it could not hear.
//
// Inside it, without a page load and with the address bar following: <a href data-nav>, <form method="get" data-nav>
// (sent while typing). Events: wv:refreshed after each morph. Gone (404) or forbidden (403): class is-gone.
import { Refused, fragment } from "./fragment.js";
import { isLinked, subscribe } from "./live.js";
import { morph, parse } from "./morph.js";

export class WvLive extends HTMLElement {
  static observedAttributes = ["topics", "every"];
  #cancel = null; #timer = 0; #request = null; #dirty = false; #took = 0; #failures = 0; #typing = 0; #clock = 0;

  connectedCallback() {
    this.#subscribe();
    this.#wind();
    if (isLinked() && this.topics.length) this.refresh();
    for (const [kind, where] of this.#listening()) where.addEventListener(kind, this);
  }

  disconnectedCallback() {
    this.#cancel?.();
    this.#cancel = null;
    clearTimeout(this.#timer);
    clearTimeout(this.#typing);
    clearInterval(this.#clock);
    this.#request?.abort();
    for (const [kind, where] of this.#listening()) where.removeEventListener(kind, this);
  }

  attributeChangedCallback(name, old) {
    if (!this.isConnected) return;
    if (name === "every") this.#wind();
    else if (old !== null) this.#subscribe();
  }

  get delay() { return Number(this.getAttribute("delay") ?? 50); }
  get topics() { return (this.getAttribute("topics") ?? "").split(/[\s,]+/).filter(Boolean); }

  /** Soon, and not more often than the server takes to answer. */
  refresh(delay = Math.max(this.delay, this.#took * 2)) {
    if (this.#request || document.hidden) { this.#dirty = true; return; }
    if (!this.#timer) this.#timer = setTimeout(() => this.load(), delay);
  }

  async load(url = this.getAttribute("src") ?? location.href) {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#dirty = false;
    this.#request?.abort();
    const request = this.#request = new AbortController(), from = performance.now();
    try {
      this.show(await fragment(url, this.id, request));
      this.#failures = 0;
    } catch (error) {
      this.#failed(error);
    } finally {
      if (this.#request === request) this.#request = null;
      this.#took = performance.now() - from;
    }
    if (this.#dirty && !this.#request) this.refresh();
  }

  show(html) {
    const content = parse(html), same = this.id && content.getElementById(this.id);
    this.classList.remove("is-gone");
    if (same) morph(this, same); else morph(this, content, { inner: true });
    this.dispatchEvent(new CustomEvent("wv:refreshed", { bubbles: true }));
  }

  handleEvent(event) {
    if (event.type === "popstate" && this.querySelector("[data-nav]")) this.load();
    if (event.type === "visibilitychange" && !document.hidden && this.#dirty) this.refresh();
    const nav = event.target.closest?.("[data-nav]");
    if (!nav || nav.closest("wv-live, wv-rows") !== this) return;
    if (event.type === "click" && nav.href && !event.defaultPrevented && isPlain(event)) { event.preventDefault(); this.#go(nav.href); }
    if (event.type === "submit") { event.preventDefault(); this.#go(query(nav)); }
    if (event.type === "input" || event.type === "change") {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#go(query(nav), true), event.type === "input" ? 250 : 0);
    }
  }

  #go(url, replace = false) {
    clearTimeout(this.#typing);
    if (url === location.href) return;
    history[replace ? "replaceState" : "pushState"]({}, "", url);
    this.load(url);
  }

  #failed(error) {
    if (error.name === "AbortError") return;
    if (error instanceof Refused && error.status < 500) {
      if (error.status === 404 || error.status === 403) this.classList.add("is-gone");
      return;
    }
    this.#failures = Math.min(this.#failures + 1, 5);
    this.#timer = setTimeout(() => this.load(), 1000 * 2 ** this.#failures * (.5 + Math.random()));
  }

  #wind() {
    clearInterval(this.#clock);
    if (this.hasAttribute("every")) this.#clock = setInterval(() => this.refresh(), Number(this.getAttribute("every")));
  }

  #subscribe() {
    this.#cancel?.();
    this.#cancel = subscribe(this.topics, { fact: (message) => this.fact(message), catchUp: () => this.refresh() });
  }

  fact() { this.refresh(); }

  #listening() {
    return [["click", this], ["submit", this], ["input", this], ["change", this], ["popstate", window], ["visibilitychange", document]];
  }
}

const isPlain = (event) => !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button);

/** The address a GET form leads to, empty fields left out. */
function query(form) {
  const url = new URL(form.action || location.href), fields = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value !== "") fields.append(name, value);
  url.search = fields;
  return url.href;
}

customElements.define("wv-live", WvLive);

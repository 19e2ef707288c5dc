// <wv-tree src="/hosts/tree/" [open="7"]>…templates/frame/tree.html, or nothing…</wv-tree>
//
// Hosts, and under each its machines (fetched from /hosts/<id>/tree/ when it is opened). Which ones are open stays in this
// browser; what they held is painted at once from the session's memory and then fetched anew, so changing pages does not
// flicker. Live: "hosts", and "host:<id>" of what is open. Keys: arrows, Home, End, Enter, first letters.
import { fragment } from "./fragment.js";
import { subscribe } from "./live.js";
import { morph, parse } from "./morph.js";

const OPEN = "wv-tree-open", HELD = "wv-tree-held", SETTLE_MS = 400;
const COUNTED = new Set(["appeared", "gone", "several"]);      // what of machines changes the numbers beside the hosts

class WvTree extends HTMLElement {
  #cancel = null; #open = new Set(); #held = {}; #timers = new Map();

  async connectedCallback() {
    this.#open = new Set(recall(localStorage, OPEN, []));
    if (this.getAttribute("open")) this.#open.add(this.getAttribute("open"));
    this.#held = recall(sessionStorage, HELD, {});
    if (this.#held.user !== document.body.dataset.user) this.#held = { user: document.body.dataset.user };
    for (const kind of ["click", "keydown"]) this.addEventListener(kind, this);
    const isGiven = this.firstElementChild !== null;
    if (!isGiven && this.#held.hosts) this.append(parse(this.#held.hosts));
    this.#paint();
    this.#subscribe();
    if (!isGiven) this.#later("hosts", 0);
  }

  disconnectedCallback() {
    this.#cancel?.();
    for (const kind of ["click", "keydown"]) this.removeEventListener(kind, this);
    this.#timers.forEach(clearTimeout);
    this.#timers.clear();
  }

  handleEvent(event) {
    if (event.type === "keydown") return this.#key(event);
    const item = event.target.closest("[data-twist]")?.parentElement;
    if (item) this.#toggle(item);
  }

  get #items() { return [...this.querySelectorAll("[role=treeitem]")].filter((item) => !item.closest("[hidden]")); }

  #subscribe() {
    this.#cancel?.();
    this.#cancel = subscribe(["hosts", "machines", ...[...this.#open].map((id) => `host:${id}`)], {
      fact: ({ topics, what }) => topics.forEach((topic) => {
        if (topic !== "machines") this.#later(topic.startsWith("host:") ? topic.slice(5) : "hosts");
        else if (COUNTED.has(what)) this.#later("hosts");
      }),
      catchUp: () => ["hosts", ...this.#open].forEach((what) => this.#later(what)),
    });
  }

  /** One fetch for a burst of facts, of the hosts or of one branch. */
  #later(what, wait = SETTLE_MS) {
    if (this.#timers.has(what)) return;
    this.#timers.set(what, setTimeout(async () => {
      try { await (what === "hosts" ? this.#loadHosts() : this.#loadBranch(what)); }
      catch { /* no answer, or gone: the next fact or the catch-up asks again */ }
      finally { this.#timers.delete(what); }
    }, wait));
  }

  async #loadHosts() {
    const html = await fragment(this.getAttribute("src"), "tree");
    morph(this, parse(html), { inner: true });
    this.#remember({ hosts: html });
    this.#paint();
  }

  async #loadBranch(id) {
    const item = this.#host(id);
    if (!item || !this.#open.has(id)) return;
    const html = await fragment(`/hosts/${id}/tree/`, "branch");
    morph(branchOf(item), parse(html), { inner: true });
    this.#remember({ [`b${id}`]: html });
    this.#mark();
  }

  /** What is open is shown open, from memory until the server answers. */
  #paint() {
    for (const id of this.#open) {
      const item = this.#host(id);
      if (!item) continue;
      const branch = branchOf(item);
      item.setAttribute("aria-expanded", "true");
      branch.hidden = false;
      if (!branch.firstElementChild) {
        if (this.#held[`b${id}`]) branch.append(parse(this.#held[`b${id}`]));
        this.#later(id, 0);
      }
    }
    this.#mark();
  }

  /** The node of the page one is on; the one node that Tab reaches. */
  #mark() {
    for (const link of this.querySelectorAll(".wv-node a")) {
      const isHere = !link.search && location.pathname.startsWith(link.pathname);
      link.parentElement.classList.toggle("is-here", isHere);
      if (isHere) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
    }
    const items = this.#items;
    if (!items.some((item) => item.tabIndex === 0)) (items.find((item) => item.matches(".is-here")) ?? items[0])?.setAttribute("tabindex", "0");
  }

  #toggle(item, open = item.getAttribute("aria-expanded") !== "true") {
    const { host } = item.dataset;
    this.#open[open ? "add" : "delete"](host);
    item.setAttribute("aria-expanded", open);
    branchOf(item).hidden = !open;
    keep(localStorage, OPEN, [...this.#open]);
    if (open) this.#paint();
    this.#subscribe();
  }

  #key(event) {
    const item = event.target.closest("[role=treeitem]"), items = this.#items, at = items.indexOf(item);
    if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
    const isOpen = item.getAttribute("aria-expanded") === "true", [ahead, back] = getComputedStyle(this).direction === "rtl" ? ["ArrowLeft", "ArrowRight"] : ["ArrowRight", "ArrowLeft"];
    let to = { ArrowDown: items[at + 1], ArrowUp: items[at - 1], Home: items[0], End: items.at(-1) }[event.key];
    if (event.key === ahead && item.dataset.host) { if (isOpen) to = items[at + 1]; else this.#toggle(item, true); }
    else if (event.key === back) { if (isOpen) this.#toggle(item, false); else to = item.closest("[role=group]")?.previousElementSibling; }
    else if (event.key === "Enter") item.querySelector("a")?.click();
    else if (event.key.length === 1 && event.key !== " " && event.key !== "/") to = [...items.slice(at + 1), ...items.slice(0, at)].find((other) => other.querySelector("a span")?.textContent.toLowerCase().startsWith(event.key.toLowerCase()));
    else if (!to) return;
    event.preventDefault();
    event.stopPropagation();
    if (to) { item.tabIndex = -1; to.tabIndex = 0; to.focus(); }
  }

  #host(id) { return this.querySelector(`[data-host="${CSS.escape(id)}"]`); }
  #remember(more) { keep(sessionStorage, HELD, Object.assign(this.#held, more)); }
}

/** The list under a host's node. */
function branchOf(item) { return item.nextElementSibling; }

function recall(store, key, otherwise) {
  try { return JSON.parse(store.getItem(key)) ?? otherwise; } catch { return otherwise; }
}

function keep(store, key, value) {
  try { store.setItem(key, JSON.stringify(value)); } catch { /* full or forbidden: it is only memory */ }
}

customElements.define("wv-tree", WvTree);

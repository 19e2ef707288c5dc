// <wv-jobs class="wv-jobs" id="jobs" src="/jobs/drawer/" topics="jobs">…templates/jobs/drawer.html…</wv-jobs>
// The drawer at the foot of every page: a <wv-live> that fetches its content itself (until then it shows what this tab last
// saw), and folds to a bar or opens to half by its [data-fold] button (remembered in this browser; html[data-jobs], so
// that it stands before the first paint).
import { WvLive } from "./wv-live.js";

const HELD = "wv-jobs-held", FIRST_MS = 250;

class WvJobs extends WvLive {
  connectedCallback() {
    const held = this.#recall();
    if (held) this.show(held);
    super.connectedCallback();
    this.addEventListener("click", this);
    document.addEventListener("wv:job", this);
    this.refresh(FIRST_MS);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    document.removeEventListener("wv:job", this);
  }

  get delay() { return 150; }

  handleEvent(event) {
    super.handleEvent(event);
    if (event.type === "wv:job") this.refresh(0);
    if (event.type === "click" && event.target.closest("[data-fold]")) this.#fold();
  }

  show(html) {
    super.show(html);
    try { sessionStorage.setItem(HELD, JSON.stringify([document.body.dataset.user, html])); } catch { /* only memory */ }
    this.querySelector("[data-fold]")?.setAttribute("aria-expanded", document.documentElement.dataset.jobs === "half");
  }

  /** What this tab last saw, if the same person saw it. */
  #recall() {
    try {
      const [user, html] = JSON.parse(sessionStorage.getItem(HELD)) ?? [];
      return user === document.body.dataset.user ? html : null;
    } catch { return null; }
  }

  #fold() {
    const state = document.documentElement.dataset.jobs === "half" ? "bar" : "half";
    document.documentElement.dataset.jobs = state;
    this.querySelector("[data-fold]").setAttribute("aria-expanded", state === "half");
    try { localStorage.setItem("wv-jobs", state); } catch { /* this page only */ }
  }
}

customElements.define("wv-jobs", WvJobs);

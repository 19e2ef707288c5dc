// <wv-device id="device" topics="machine:42"><form data-async data-result="#proposal">…<section id="proposal" hidden>…</section></form></wv-device>
//
// A piece that keeps itself true as wv-live does, with a form in it that is not disturbed while a person edits it. After each change of
// a field it asks the form's own address what would change, and shows that in #proposal; a refusal is shown only when asked for by the
// button. What was typed stays until the job has ended that was asked for: data-outcome (".../0/") tells what became of a job, by the headers
// WV-State, WV-Saved, WV-Behind and WV-Location, and by a note for [data-errors]. data-new on the form: it is of a device that is not there yet. Fields with data-when="NAME" data-is="VALUES" are shown only while the field NAME has one of these values.
import { isSignedOut, signedOut } from "./fragment.js";
import { subscribe } from "./live.js";
import { morph, parse } from "./morph.js";
import { WvLive } from "./wv-live.js";

class WvDevice extends WvLive {
  #asking = null; #late = false; #following = null; #again = 0;

  connectedCallback() {
    super.connectedCallback();
    for (const kind of ["change", "wv:sent", "wv:refreshed"]) this.addEventListener(kind, this.#heard);
    this.#fold();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    for (const kind of ["change", "wv:sent", "wv:refreshed"]) this.removeEventListener(kind, this.#heard);
    this.#asking?.abort();
    this.#following?.();
    this.#following = null;
    clearTimeout(this.#again);
  }

  get form() { return this.querySelector("form[data-result]"); }

  get isEdited() {
    return [...this.form?.elements ?? []].some((field) => {
      if (field.matches("select")) return [...field.options].some((option) => option.selected !== option.defaultSelected);
      if (field.matches("[type=checkbox], [type=radio]")) return !field.closest("wv-order") && field.checked !== field.defaultChecked;
      return field.matches("input:not([type=hidden]), textarea") && field.value !== field.defaultValue;
    });
  }

  /** Somebody is at it: what changed meanwhile is fetched when they are done; the server refuses what became stale. */
  refresh(delay) {
    if (this.isEdited) { this.#late = true; return; }
    this.#late = false;
    super.refresh(delay);
  }

  #heard = (event) => {
    if (event.type === "change" && event.target.form === this.form) { this.#fold(); this.#propose(); }
    if (event.type === "wv:refreshed") this.#fold();
    if (event.type === "wv:sent" && event.target === this.form && event.detail.response.status === 204) this.#applied(event.detail.response.headers.get("WV-Job"));
    else if (event.type === "wv:sent") this.#show();
  };

  /** The job is on its way: follow it, and keep what was typed until it has ended well. */
  #applied(job) {
    this.#hide();
    this.#following?.();
    if (!job || !this.dataset.outcome) { this.#saved(); return; }
    this.form.setAttribute("aria-busy", "true");
    const look = () => this.#look(job);
    this.#following = subscribe([`job:${job}`], { fact: look, catchUp: look });
    look();
  }

  async #look(job) {
    const response = await fetch(this.dataset.outcome.replace(/0\/$/, `${job}/`), { credentials: "same-origin" }).catch(() => null);
    if (!this.#following) return;
    clearTimeout(this.#again);
    // It may have ended between our question and the moment from which we hear of it: so we ask again, now and then.
    if (!response?.ok || ["queued", "running"].includes(response.headers.get("WV-State"))) { this.#again = setTimeout(() => this.#look(job), 2000); return; }
    if (response.headers.get("WV-Behind")) { this.#again = setTimeout(() => this.#look(job), 400); return; }
    this.#following();
    this.#following = null;
    this.form.removeAttribute("aria-busy");
    this.querySelector("[data-errors]").replaceChildren(parse(await response.text()));
    if (!response.headers.get("WV-Saved")) { this.#propose(); return; }
    const next = response.headers.get("WV-Location");
    if (next && response.headers.get("WV-State") === "done") location.assign(next); else this.#saved();
  }

  /** The form is as the server gave it until the new definition is there. */
  #saved() {
    this.form.reset();
    this.#fold();
    this.refresh();
  }

  #fold() {
    for (const part of this.querySelectorAll("[data-when]")) {
      const field = this.form?.elements[part.dataset.when];
      if (field) part.hidden = !part.dataset.is.split(" ").includes(field.value);
    }
  }

  async #propose() {
    const form = this.form;
    this.#asking?.abort();
    if (!form || !(this.isEdited || form.hasAttribute("data-new"))) { this.#hide(); return; }
    const asking = this.#asking = new AbortController();
    try {
      const body = new FormData(form);
      const response = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { "WV-Async": "1" }, credentials: "same-origin", signal: asking.signal });
      if (isSignedOut(response)) { signedOut(); return; }
      if (!response.ok) { this.#hide(); return; }
      const fresh = parse(await response.text()).getElementById("proposal"), place = this.querySelector("#proposal");
      if (fresh && place) morph(place, fresh);
      this.#show();
    } catch (error) {
      if (error.name !== "AbortError" && !(error instanceof TypeError)) throw error;
    }
  }

  #show() {
    const place = this.querySelector("#proposal");
    if (place) place.hidden = !place.firstElementChild;
  }

  #hide() {
    const place = this.querySelector("#proposal");
    if (place) { place.replaceChildren(); place.hidden = true; }
  }
}

customElements.define("wv-device", WvDevice);

// <wv-form></wv-form> once a page; then any <form method="post" data-async> is sent without leaving the page.
//
// The request carries `WV-Async: 1`. The answer: 204 = done, the live link shows the effect (headers WV-Job: <id>,
// WV-Location: <where to go on>) · 200 with data-result="dialog" or "#id" on the form or button = show the body there ·
// 4xx/5xx = the body says why: if it holds a <form> with the same id it replaces it (errors at their fields, input kept),
// else it is put into [data-errors]: the form's own, the dialog's, or the page's. Where a button is aria-disabled nothing
// is sent. Without this script the form posts and the server redirects. Events on the form: wv:sent {response}.
import { isSignedOut, signedOut } from "./fragment.js";
import { morph, parse } from "./morph.js";
import { word } from "./words.js";

class WvForm extends HTMLElement {
  #busy = new WeakSet();

  connectedCallback() { document.addEventListener("submit", this); }
  disconnectedCallback() { document.removeEventListener("submit", this); }

  handleEvent(event) {
    const { target: form, submitter } = event;
    if (event.defaultPrevented) return;
    if (submitter?.getAttribute("aria-disabled") === "true") { event.preventDefault(); return; }
    if (!form.matches("[data-async]") || form.method !== "post") return;
    event.preventDefault();
    if (!this.#busy.has(submitter ?? form)) this.#send(form, submitter);
  }

  async #send(form, submitter) {
    const key = submitter ?? form, errors = placeForErrors(form);
    this.#busy.add(key);
    submitter?.setAttribute("aria-busy", "true");
    try {
      const url = submitter?.hasAttribute("formaction") ? submitter.formAction : form.getAttribute("action") || location.href;
      const response = await fetch(url, { method: "POST", body: new FormData(form, submitter), headers: { "WV-Async": "1" }, credentials: "same-origin" });
      if (isSignedOut(response)) { signedOut(); return; }
      if (response.ok) await this.#done(form, submitter, response);
      else refuse(form, errors, response.status, await response.text());
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      complain(errors, word("unreachable"));
    } finally {
      this.#busy.delete(key);
      submitter?.removeAttribute("aria-busy");
    }
  }

  async #done(form, submitter, response) {
    placeForErrors(form)?.replaceChildren();
    const place = submitter?.dataset.result ?? form.dataset.result;
    if (place && response.status === 200) showResult(place, await response.text());
    form.dispatchEvent(new CustomEvent("wv:sent", { bubbles: true, detail: { response } }));
    const job = response.headers.get("WV-Job"), next = response.headers.get("WV-Location");
    if (job) document.dispatchEvent(new CustomEvent("wv:job", { detail: { id: job } }));
    if (next) location.assign(next);
    else if (response.redirected) location.assign(response.url);
  }
}

function showResult(place, html) {
  if (place === "dialog") return document.dispatchEvent(new CustomEvent("wv:dialog", { detail: { html } }));
  const target = document.querySelector(place), content = parse(html), same = content.getElementById(target.id);
  if (same) morph(target, same); else morph(target, content, { inner: true });
}

function refuse(form, errors, status, html) {
  const again = form.id && parse(html).getElementById(form.id);
  if (again?.localName === "form") { morph(form, again); form.querySelector(".is-invalid, [aria-invalid=true]")?.focus(); return; }
  const isPage = /^\s*<!doctype/i.test(html) || !html.trim() || status >= 500;
  complain(errors, isPage ? (status === 403 ? word("forbidden") : status === 404 ? word("gone") : word("failed", { status })) : parse(html));
}

function placeForErrors(form) {
  return form.querySelector("[data-errors]") ?? form.closest("dialog")?.querySelector("[data-errors]") ?? document.querySelector("#main > [data-errors], [data-errors]");
}

/** Text or markup from the server as a note; it stays until dismissed or until the next try. */
function complain(place, what) {
  if (!place) return;
  const note = document.getElementById("wv-words").content.querySelector(".wv-note").cloneNode(true);
  note.querySelector("[data-what]").append(what);
  note.querySelector("[data-dismiss]").addEventListener("click", () => note.remove());
  place.replaceChildren(note);
  note.scrollIntoView({ block: "nearest" });
}

customElements.define("wv-form", WvForm);

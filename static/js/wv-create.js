// <wv-create id="new-machine" [topics="storage"]><form method="post">… [data-check] …</form></wv-create>
//
// A form whose choices depend on one another: when a [data-check] field changes, or a [data-check] button is pressed, the form is sent
// as it stands and comes back with what there is to choose now (header WV-Fragment: the id). What was typed stays. One request at a
// time, the last one wins; on a fact about its topics (an image was uploaded) it looks again as well. Without this script the same buttons post the form and the page is loaded anew.
import { isSignedOut, signedOut } from "./fragment.js";
import { subscribe } from "./live.js";
import { morph, parse } from "./morph.js";

const TYPING_MS = 350, FACTS_MS = 1500;

class WvCreate extends HTMLElement {
  static observedAttributes = ["topics"];
  #request = null; #timer = 0; #cancel = null;

  connectedCallback() {
    for (const kind of ["change", "input", "click"]) this.addEventListener(kind, this, kind === "click");
    this.#subscribe();
  }

  attributeChangedCallback() { if (this.isConnected) this.#subscribe(); }

  disconnectedCallback() {
    this.#cancel?.();
    for (const kind of ["change", "input", "click"]) this.removeEventListener(kind, this, kind === "click");
    clearTimeout(this.#timer);
    this.#request?.abort();
  }

  handleEvent(event) {
    const button = event.type === "click" && event.target.closest("button[data-check]");
    if (button) { event.preventDefault(); this.#look(button); return; }
    if (event.type === "click" || event.target.matches("textarea, [type=password]")) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), event.type === "input" ? TYPING_MS : 0);
  }

  #subscribe() {
    this.#cancel?.();
    const topics = (this.getAttribute("topics") ?? "").split(/[\s,]+/).filter(Boolean);
    const soon = () => { if (!this.#timer) this.#timer = setTimeout(() => this.#look(), FACTS_MS); };
    this.#cancel = topics.length ? subscribe(topics, { fact: soon, catchUp: soon }) : null;
  }

  async #look(button) {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#request?.abort();
    const request = this.#request = new AbortController(), form = this.querySelector("form"), body = new FormData(form);
    body.delete("password");
    if (button) body.set(button.name, button.value); else body.set("do", "check");
    try {
      const response = await fetch(form.action, { method: "POST", body, headers: { "WV-Fragment": this.id }, credentials: "same-origin", signal: request.signal });
      if (isSignedOut(response)) { signedOut(); return; }
      if (response.ok) this.#show(await response.text(), Boolean(button));
    } catch (error) {
      if (error.name !== "AbortError" && !(error instanceof TypeError)) throw error;
    }
  }

  #show(html, byButton) {
    const same = parse(html).getElementById(this.id);
    if (!same) return;
    const typed = byButton ? null : document.activeElement;
    const fields = () => [...this.querySelectorAll("input[name]:not([type=password]), select[name]")].filter((field) => field !== typed);
    fields().forEach(settle);
    morph(this, same);
    fields().forEach(follow);
    this.dispatchEvent(new CustomEvent("wv:refreshed", { bubbles: true }));
  }
}

/** What was typed has been sent: the answer holds it, or what a button made of it. It is not "changed by hand" any more. */
function settle(field) {
  if (field.localName === "select") for (const option of field.options) option.defaultSelected = option.selected;
  else if (field.matches("[type=checkbox], [type=radio]")) field.defaultChecked = field.checked;
  else field.defaultValue = field.value;
}

function follow(field) {
  if (field.localName === "select") for (const option of field.options) option.selected = option.defaultSelected;
  else if (field.matches("[type=checkbox], [type=radio]")) field.checked = field.defaultChecked;
  else if (field.value !== field.defaultValue) field.value = field.defaultValue;
}

customElements.define("wv-create", WvCreate);

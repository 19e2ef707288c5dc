// <wv-confirm><dialog>… [data-title] [data-text] [data-typed hidden] [data-name] [data-ok] …</dialog></wv-confirm>, once a page
// (templates/frame/dialogs.html). A form or its submit button with
//   data-confirm="Force off db-1?" [data-confirm-text="…"] [data-confirm-ok="Force off"] [data-danger] [data-type-name="db-1"]
// is asked about before it is sent; with data-type-name the name has to be typed first.
class WvConfirm extends HTMLElement {
  #agreed = new WeakSet(); #waiting = null;

  get dialog() { return this.querySelector("dialog"); }

  connectedCallback() {
    document.addEventListener("submit", this, true);
    this.addEventListener("input", this);
    this.dialog.addEventListener("close", this);
  }

  disconnectedCallback() {
    document.removeEventListener("submit", this, true);
    this.removeEventListener("input", this);
    this.dialog.removeEventListener("close", this);
  }

  handleEvent(event) {
    if (event.type === "submit") this.#submitted(event);
    else if (event.type === "input") this.#weigh();
    else this.#closed();
  }

  #submitted(event) {
    const { target: form, submitter } = event;
    if (this.contains(form)) { if (submitter?.value === "ok" && !this.#isTyped()) event.preventDefault(); return; }
    const asked = [submitter, form].find((element) => element?.dataset.confirm);
    if (!asked || submitter?.getAttribute("aria-disabled") === "true") return;
    if (this.#agreed.delete(asked)) return;
    event.preventDefault();
    event.stopPropagation();
    this.#ask(asked, form, submitter);
  }

  #ask(asked, form, submitter) {
    this.#waiting = { asked, form, submitter };
    const { confirm, confirmText, confirmOk, typeName } = asked.dataset, ok = this.#part("ok");
    this.#part("title").textContent = confirm;
    this.#part("text").textContent = confirmText ?? "";
    this.#part("text").hidden = !confirmText;
    ok.dataset.word ??= ok.textContent;
    ok.textContent = confirmOk ?? ok.dataset.word;
    const isDanger = "danger" in asked.dataset || typeName !== undefined;
    ok.classList.toggle("btn-danger", isDanger);
    ok.classList.toggle("btn-primary", !isDanger);
    this.#part("typed").hidden = typeName === undefined;
    this.#part("name").textContent = typeName ?? "";
    this.querySelector("input").value = "";
    this.#weigh();
    this.dialog.returnValue = "";
    this.dialog.showModal();
    (typeName === undefined ? this.querySelector("[value=cancel]") : this.querySelector("input")).focus();
  }

  #closed() {
    const { asked, form, submitter } = this.#waiting ?? {};
    this.#waiting = null;
    if (this.dialog.returnValue !== "ok" || !asked) return;
    this.#agreed.add(asked);
    form.requestSubmit(submitter?.isConnected ? submitter : undefined);
  }

  #weigh() { this.#part("ok").setAttribute("aria-disabled", String(!this.#isTyped())); }

  #isTyped() {
    const name = this.#waiting?.asked.dataset.typeName;
    return name === undefined || this.querySelector("input").value.trim() === name;
  }

  #part(name) { return this.querySelector(`[data-${name}]`); }
}

customElements.define("wv-confirm", WvConfirm);

// <wv-upload chunk="8388608" data-sends="…" …>
//   [data-drop] a place for files, with <input type="file" multiple> in it · <select data-pool> of addresses that make uploads, or
//   [data-pool="…"] alone · <input data-checksum> for one file · <ul data-rows> · <template data-row> one row ·
//   <li data-begun="address" data-file data-size data-modified> with <input type="file">: one of an earlier visit, to go on with
// </wv-upload>
//
// Shows what uploads.js does; taking the element away ends nothing. Words for states are data-STATE of the element.
import { Upload, uploads } from "./uploads.js";
import { coarse, scaled } from "./format.js";

class WvUpload extends HTMLElement {
  connectedCallback() {
    uploads.chunkBytes = Number(this.getAttribute("chunk")) || uploads.chunkBytes;
    uploads.token = document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
    for (const kind of ["change", "click", "dragover", "dragleave", "drop"]) this.addEventListener(kind, this);
    for (const kind of ["list", "change"]) uploads.addEventListener(kind, this);
    this.#list();
  }

  disconnectedCallback() {
    for (const kind of ["change", "click", "dragover", "dragleave", "drop"]) this.removeEventListener(kind, this);
    for (const kind of ["list", "change"]) uploads.removeEventListener(kind, this);
  }

  handleEvent(event) {
    if (event.currentTarget === uploads) return event.type === "list" ? this.#list() : this.#row(event.detail);
    const drop = event.target.closest("[data-drop]");
    if (event.type === "dragover" || event.type === "dragleave") {
      if (event.type === "dragover") event.preventDefault();
      this.querySelector("[data-drop]").classList.toggle("is-over", event.type === "dragover" && Boolean(drop));
    } else if (event.type === "drop") {
      event.preventDefault();
      this.querySelector("[data-drop]").classList.remove("is-over");
      if (drop) this.#take([...event.dataTransfer.files]);
    } else if (event.type === "change" && event.target.type === "file") {
      const begun = event.target.closest("[data-begun]"), files = [...event.target.files];
      if (begun) this.#goOn(begun, files[0]); else this.#take(files);
      event.target.value = "";
    } else if (event.type === "click") {
      const button = event.target.closest("[data-do]");
      if (button) this.#press(button);
    }
  }

  #take(files) {
    const place = this.querySelector("[data-pool]"), checksum = this.querySelector("[data-checksum]");
    if (!place || place.getAttribute("aria-disabled") === "true") return;
    for (const file of files) uploads.add(new Upload(file, { pool: place.value || place.dataset.pool, checksum: files.length === 1 ? checksum?.value.trim() : "" }));
    if (checksum) checksum.value = "";
  }

  /** The same file again: by name, size and date, all that a browser tells. */
  #goOn(begun, file) {
    if (!file) return;
    const { file: name, size, modified } = begun.dataset;
    if (file.name !== name || String(file.size) !== size || (modified !== "0" && String(file.lastModified) !== modified)) {
      begun.querySelector("[data-error]").textContent = this.dataset.otherfile;
      return;
    }
    uploads.add(new Upload(file, { url: begun.dataset.begun, name: begun.dataset.name }));
    begun.remove();
    this.#settle();
  }

  async #press(button) {
    const begun = button.closest("[data-begun]");
    if (begun) {
      await new Upload(new File([], begun.dataset.file), { url: begun.dataset.begun }).cancel();
      begun.remove();
      return this.#settle();
    }
    const upload = uploads.list.find((each) => each.row === button.closest("li"));
    if (!upload) return;
    const deed = button.dataset.do;
    if (deed === "pause") upload.pause();
    if (deed === "resume") upload.resume();
    if (deed === "retry") upload.retry(upload.row.querySelector("[data-rename]").value);
    if (deed === "cancel") await upload.cancel();
    if (deed === "cancel" || deed === "forget") uploads.remove(upload);
  }

  #list() {
    const rows = this.querySelector("[data-rows]"), template = this.querySelector("template[data-row]");
    rows.replaceChildren(...uploads.list.map((upload) => {
      upload.row = template.content.firstElementChild.cloneNode(true);
      upload.row.querySelector("[data-name]").textContent = upload.name;
      upload.row.querySelector("[data-rename]").value = upload.name;
      upload.row.querySelector("progress").setAttribute("aria-label", upload.name);
      this.#row(upload);
      return upload.row;
    }));
    this.#settle();
  }

  #row(upload) {
    const { row, state } = upload;
    if (!row || !this.contains(row) && row.isConnected) return;
    const done = state === "done" || state === "checks", share = done ? 1 : upload.offset / Math.max(1, upload.file.size);
    row.dataset.state = state;
    row.querySelector("progress").value = 100 * share;
    row.querySelector("[data-share]").textContent = `${Math.floor(100 * share)} %`;
    put(row.querySelector("[data-says]"), [upload.error || this.#says(upload), upload.warning].filter(Boolean).join(" · "));
    for (const button of row.querySelectorAll("[data-do]")) button.hidden = !button.dataset.when.split(" ").includes(state);
    const rename = row.querySelector("[data-rename]").parentElement;
    rename.hidden = !(state === "failed" && !upload.url && upload.file.size);
    const link = row.querySelector("[data-name]");
    if (upload.volume) link.href = upload.volume;
    put(row.querySelector("[data-digest]"), upload.digest ? `SHA-256 ${upload.digest}` : "");
  }

  #says(upload) {
    const word = this.dataset[upload.state] ?? "", size = bytes(upload.file.size);
    if (upload.state === "checks") return upload.phase || word;
    if (upload.state !== "sends" || !upload.rate) return `${word} · ${size}`;
    const left = coarse((upload.file.size - upload.offset) / upload.rate);
    return `${bytes(upload.offset)} / ${size} · ${bytes(upload.rate)}/s · ${this.dataset.left.replace("%(time)s", left)}`;
  }

  /** Headings of what is empty are hidden. */
  #settle() {
    for (const list of this.querySelectorAll("[data-rows], [data-unfinished]")) {
      const section = list.closest("section");
      section.hidden = !list.children.length;
    }
  }
}

const bytes = (value) => scaled(value).join(" ");

function put(element, text) { if (element.textContent !== text) element.textContent = text; }

customElements.define("wv-upload", WvUpload);

// <wv-fill>… <a href="?host=nas&directory=/export" data-fill>…</a> …</wv-fill> inside a <form>
//
// A click on such a link writes what its address says into the fields of the form around it; what it does not name stays as typed.
// Without this script the link loads the page, whose form is filled by the address.
class WvFill extends HTMLElement {
  connectedCallback() { this.addEventListener("click", this); }

  disconnectedCallback() { this.removeEventListener("click", this); }

  handleEvent(event) {
    const link = event.target.closest("a[data-fill]"), form = this.closest("form");
    if (!link || !form || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    for (const [name, value] of new URL(link.href).searchParams) {
      const field = form.elements[name];
      if (field && "value" in field && field.type !== "hidden") field.value = value;
    }
    for (const each of this.querySelectorAll("a[data-fill]")) each.toggleAttribute("aria-current", each === link);
  }
}

customElements.define("wv-fill", WvFill);

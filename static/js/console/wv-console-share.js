// <wv-console-share machine="42">: the form that invites somebody, sent as JSON; its link is shown once. [data-revoke="7"] ends an invitation.
import { NoConsole, post } from "./link.js";

class WvConsoleShare extends HTMLElement {
  connectedCallback() { this.addEventListener("submit", this); this.addEventListener("click", this); }
  disconnectedCallback() { this.removeEventListener("submit", this); this.removeEventListener("click", this); }

  handleEvent(event) {
    const revoke = event.target.closest("[data-revoke]");
    if (event.type === "submit") { event.preventDefault(); event.stopPropagation(); this.#share(event.target); }
    else if (revoke) this.#try(async () => { await post(`/consoles/shares/${revoke.dataset.revoke}/revoke/`, {}); revoke.closest("li").remove(); });
  }

  #share(form) {
    const fields = new FormData(form);
    return this.#try(async () => {
      const { link } = await post(`/consoles/${this.getAttribute("machine")}/shares/`, { minutes: Number(fields.get("minutes")), view_only: fields.get("may") !== "act", to: fields.get("to") });
      const place = this.querySelector("[data-link]");
      place.hidden = false;
      place.querySelector("input").value = link;
      place.querySelector("input").select();
    });
  }

  async #try(deed) {
    const said = this.querySelector("[data-errors]");
    said.textContent = "";
    try { await deed(); } catch (error) { said.textContent = error instanceof NoConsole && error.message ? error.message : String(error.message); }
  }
}

customElements.define("wv-console-share", WvConsoleShare);

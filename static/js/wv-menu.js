// <wv-menu><button type="button" popovertarget="power-42" aria-label="…">…</button>
//   <div popover id="power-42" class="wv-menu" role="menu">… <button role="menuitem">…</button> <a role="menuitem" href>…</a> …</div></wv-menu>
// The browser opens, closes (Escape, click outside) and returns the focus; this places the menu at its button and adds
// arrows, Home, End and first letters. Without it the menu opens in the middle of the screen.
class WvMenu extends HTMLElement {
  get button() { return this.querySelector("[popovertarget]"); }
  get menu() { return this.querySelector("[popover]"); }
  get items() { return [...this.menu.querySelectorAll("[role=menuitem], [role=menuitemcheckbox], input")].filter((item) => !item.hidden); }

  connectedCallback() {
    this.button?.setAttribute("aria-haspopup", "menu");
    this.button?.setAttribute("aria-expanded", "false");
    this.addEventListener("toggle", this, true);
    this.addEventListener("keydown", this);
    this.addEventListener("click", this);
  }

  disconnectedCallback() {
    this.removeEventListener("toggle", this, true);
    this.removeEventListener("keydown", this);
    this.removeEventListener("click", this);
    removeEventListener("resize", this);
  }

  handleEvent(event) {
    if (event.type === "toggle" && event.target === this.menu) this.#toggled(event.newState === "open");
    else if (event.type === "resize") this.#place();
    else if (event.type === "keydown") this.#key(event);
    else if (event.type === "click" && event.target.closest("[role=menuitem]:not([aria-disabled=true])")) this.menu.hidePopover();
  }

  #toggled(isOpen) {
    this.button.setAttribute("aria-expanded", isOpen);
    (isOpen ? addEventListener : removeEventListener)("resize", this);
    if (!isOpen) return;
    this.#place();
    this.items[0]?.focus();
  }

  /** Below the button, or above where there is more room; inside the window. On phones the sheet's CSS places it. */
  #place() {
    const { menu } = this, at = this.button.getBoundingClientRect();
    menu.style.left = menu.style.top = "";
    menu.setAttribute("data-placed", "");
    if (innerWidth < 768) return;
    const { width, height } = menu.getBoundingClientRect();
    const isRtl = getComputedStyle(this).direction === "rtl";
    const side = isRtl ? at.right - width : at.left;
    const left = side + width > innerWidth - 8 ? at.right - width : side;
    const isBelow = at.bottom + 4 + height < innerHeight - 8 || at.top < innerHeight / 2;
    menu.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
    menu.style.top = `${isBelow ? at.bottom + 4 : Math.max(8, at.top - height - 4)}px`;
  }

  #key(event) {
    if (!this.menu.matches(":popover-open")) {
      if (event.key === "ArrowDown" && event.target === this.button) { event.preventDefault(); this.menu.showPopover(); }
      return;
    }
    const { items } = this, at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key] ?? this.#letter(event, items, at);
    if (to === undefined) { if (event.key === "Tab") this.menu.hidePopover(); return; }
    event.preventDefault();
    event.stopPropagation();
    items[(to + items.length) % items.length]?.focus();
  }

  #letter(event, items, at) {
    if (event.key.length !== 1 || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return undefined;
    const starts = (item) => item.textContent.trim().toLowerCase().startsWith(event.key.toLowerCase());
    const next = [...items.slice(at + 1), ...items.slice(0, at + 1)].find(starts);
    return next && items.indexOf(next);
  }
}

customElements.define("wv-menu", WvMenu);

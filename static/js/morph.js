// Turns one piece of the page into a newer one and leaves alone what the person is doing: focus, caret, what was typed
// or ticked, open menus, dialogs and details, scrolling. What carries data-keep looks after itself and is not touched;
// elements whose class says `static ownsChildren = true` (charts) get new attributes and keep their content.
import { Idiomorph } from "../vendor/idiomorph.js";

const SAID = ["class", "aria-invalid", "aria-describedby"];

/** Morph `target` itself into `content` (a node), or with inner=true its children into content's. */
export function morph(target, content, { inner = false } = {}) {
  Idiomorph.morph(target, content, {
    morphStyle: inner ? "innerHTML" : "outerHTML",
    restoreFocus: true,
    callbacks: {
      beforeNodeMorphed: (old, fresh) => old.nodeType !== Node.ELEMENT_NODE || isOurs(old, fresh),
      beforeAttributeUpdated: (name, element) => !isHeld(name, element),
    },
  });
}

/** A parsed piece of HTML, table rows included. */
export function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

function isOurs(old, fresh) {
  if (old.hasAttribute("data-keep")) return false;
  if (isChanged(old)) { tellIn(old, fresh); return false; }
  if (!old.constructor.ownsChildren) return true;
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  return false;
}

/** What was typed stays; what the server says of it is shown. */
function tellIn(field, fresh) {
  for (const name of SAID) if (!fresh.hasAttribute(name)) field.removeAttribute(name); else if (field.getAttribute(name) !== fresh.getAttribute(name)) field.setAttribute(name, fresh.getAttribute(name));
}

/** A field whose value is no longer the one the server gave. */
function isChanged(field) {
  if (field.matches("[type=checkbox], [type=radio]")) return field.checked !== field.defaultChecked;
  if (field.localName === "select") return [...field.options].some((option) => option.selected !== option.defaultSelected);
  return field.matches("input:not([type=hidden]), textarea") && field.value !== field.defaultValue;
}

/**
 * Attributes that say what the person opened, and the value of the field they are in (of a button it must follow: with
 * Idiomorph's ignoreActiveValue a focused one kept its old words and its old value). `style` is only ever ours (the content
 * policy forbids it in markup).
 */
function isHeld(name, element) {
  if (name === "value") return element === document.activeElement && element.matches("input, textarea, select");
  if (name === "open") return element.matches("details, dialog");
  if (name === "aria-expanded") return element.matches("[popovertarget], [role=treeitem], [data-fold]");
  return name === "style" || name === "data-placed" || (name === "tabindex" && element.matches("[role=treeitem]"));
}

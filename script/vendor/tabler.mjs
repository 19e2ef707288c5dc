// Tabler is 635 kB of CSS; the pages use its resets, buttons and form controls. This keeps the rules whose
// classes are all in KEEP (so the result depends on this list alone, never on what templates happen to say today)
// and the custom properties that what is kept refers to.
import postcss from "postcss";

const KEEP = new Set(`
  btn btn-group
  form-control form-select form-check form-check-input form-check-label form-switch form-label form-hint
  required
`.trim().split(/\s+/));
const THEMES = /^(:root|:host|\[data-bs-theme=(light|dark)\]|body)$/;

export function trim(css, ours) {
  const root = postcss.parse(css);
  root.walkComments((comment) => { if (!comment.text.startsWith("!")) comment.remove(); });
  root.walkRules((rule) => {
    if (rule.parent.type === "atrule" && rule.parent.name.endsWith("keyframes")) return;
    const kept = rule.selectors.filter(wanted);
    if (kept.length) rule.selectors = kept;
    else rule.remove();
  });
  dropUnusedProperties(root, ours);
  dropUnusedKeyframes(root);
  dropEmpty(root);
  return root.toString().replace(/\n{3,}/g, "\n\n");
}

function wanted(selector) {
  if (/data-(vc|theme|litepicker|bs-theme-)|\[dir=|\.btn-(?!group)|scrollbar|::file|::-webkit-(color|date)|ts-|::selection/.test(selector)) return false;
  const classes = [...selector.matchAll(/\.(-?[_a-zA-Z][\w-]*)/g)].map((found) => found[1]);
  return classes.every((name) => KEEP.has(name));
}

function dropUnusedProperties(root, ours) {
  const used = new Set(names(ours));
  for (let grown = true; grown;) {          // a kept property may refer to others
    grown = false;
    root.walkDecls((decl) => {
      if (decl.prop.startsWith("--") && !used.has(decl.prop)) return;
      for (const name of names(decl.value)) if (!used.has(name)) { used.add(name); grown = true; }
    });
  }
  root.walkDecls(/^--/, (decl) => { if (!used.has(decl.prop)) decl.remove(); });
}

function dropUnusedKeyframes(root) {
  const used = new Set();
  root.walkDecls(/^animation/, (decl) => decl.value.split(/[\s,]+/).forEach((word) => used.add(word)));
  root.walkAtRules(/keyframes$/, (rule) => { if (!used.has(rule.params)) rule.remove(); });
}

function dropEmpty(root) {
  const seen = new Set();
  root.walkRules((rule) => {
    const text = THEMES.test(rule.selector) ? "" : rule.toString();
    if (!rule.nodes.length || (text && rule.parent.type === "root" && seen.has(text))) rule.remove();
    seen.add(text);
  });
  for (let found = true; found;) {
    found = false;
    root.walkAtRules((rule) => { if (rule.nodes && !rule.nodes.length) { rule.remove(); found = true; } });
  }
}

const names = (text) => [...text.matchAll(/var\(\s*(--[\w-]+)/g)].map((found) => found[1]);

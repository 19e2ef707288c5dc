// Texts the scripts show come from <template id="wv-words" data-NAME="…"> (templates/frame/words.html), translated by the server.

/** word("ago", {time: "3 min"}) → "3 min ago" */
export function word(name, values = {}) {
  const text = document.getElementById("wv-words")?.dataset[name] ?? name;
  return text.replace(/%\((\w+)\)s/g, (whole, key) => values[key] ?? whole);
}

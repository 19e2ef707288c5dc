// Where the characters are on keyboards: what is typed reaches a guest as keys, and the guest makes characters of them by its own
// layout. A row is what the keys of ROWS give, plain and with Shift; `third` with AltGr; `dead` waits for the next key, so a space follows.
const ROWS = [
  "Backquote Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal",
  "KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight",
  "KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote Backslash",
  "IntlBackslash KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash",
].map((row) => row.split(" "));

const TABLES = {
  us: {
    plain: ["`1234567890-=", "qwertyuiop[]", "asdfghjkl;'\\", " zxcvbnm,./"],
    shift: ["~!@#$%^&*()_+", "QWERTYUIOP{}", "ASDFGHJKL:\"|", " ZXCVBNM<>?"],
  },
  de: {
    plain: ["^1234567890ß´", "qwertzuiopü+", "asdfghjklöä#", "<yxcvbnm,.-"],
    shift: ["°!\"§$%&/()=?`", "QWERTZUIOPÜ*", "ASDFGHJKLÖÄ'", ">YXCVBNM;:_"],
    third: { "@": "KeyQ", "€": "KeyE", "²": "Digit2", "³": "Digit3", "{": "Digit7", "[": "Digit8", "]": "Digit9", "}": "Digit0", "\\": "Minus", "~": "BracketRight", "|": "IntlBackslash", "µ": "KeyM" },
    dead: "^´`",
  },
  fr: {
    plain: ["²&é\"'(-è_çà)=", "azertyuiop $", "qsdfghjklmù*", "<wxcvbn,;:!"],
    shift: [" 1234567890°+", "AZERTYUIOP £", "QSDFGHJKLM%µ", ">WXCVBN?./§"],
    third: { "~": "Digit2", "#": "Digit3", "{": "Digit4", "[": "Digit5", "|": "Digit6", "`": "Digit7", "\\": "Digit8", "^": "Digit9", "@": "Digit0", "]": "Minus", "}": "Equal", "€": "KeyE" },
  },
  ru: {
    plain: ["ё1234567890-=", "йцукенгшщзхъ", "фывапролджэ\\", " ячсмитьбю."],
    shift: ["Ё!\"№;%:?*()_+", "ЙЦУКЕНГШЩЗХЪ", "ФЫВАПРОЛДЖЭ/", " ЯЧСМИТЬБЮ,"],
  },
};

/** character → keys to press together, and to press after it: {keys: ["ShiftLeft", "KeyA"], then: []}. */
export function layout(name) {
  const { plain, shift, third = {}, dead = "" } = TABLES[name] ?? TABLES.us, found = new Map();
  const put = (character, keys) => {
    if (character !== " " && !found.has(character)) found.set(character, { keys, then: dead.includes(character) ? ["Space"] : [] });
  };
  ROWS.forEach((row, line) => row.forEach((key, at) => put([...plain[line]][at], [key])));
  ROWS.forEach((row, line) => row.forEach((key, at) => put([...shift[line]][at], ["ShiftLeft", key])));
  for (const [character, key] of Object.entries(third)) put(character, ["AltRight", key]);
  found.set(" ", { keys: ["Space"], then: [] });
  found.set("\n", { keys: ["Enter"], then: [] });
  found.set("\t", { keys: ["Tab"], then: [] });
  return found;
}

/** The characters of a text that the layout has no keys for, each once. */
export function missing(text, name) {
  const known = layout(name);
  return [...new Set([...text.replaceAll("\r", "")].filter((character) => !known.has(character)))];
}

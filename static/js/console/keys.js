// Keys by their place on the keyboard (KeyboardEvent.code): their scan codes, of set 1, and the X11 keysyms of those without a character.
const PLAIN = "Escape Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal Backspace Tab KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight Enter ControlLeft KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote Backquote ShiftLeft Backslash KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash ShiftRight NumpadMultiply AltLeft Space CapsLock F1 F2 F3 F4 F5 F6 F7 F8 F9 F10";
export const SCAN = Object.fromEntries(PLAIN.split(" ").map((code, at) => [code, at + 1]));
Object.assign(SCAN, {
  IntlBackslash: 0x56, F11: 0x57, F12: 0x58, AltRight: 0xe038, ControlRight: 0xe01d, MetaLeft: 0xe05b, PrintScreen: 0xe037,
  Delete: 0xe053, Insert: 0xe052, Home: 0xe047, End: 0xe04f, PageUp: 0xe049, PageDown: 0xe051,
  ArrowUp: 0xe048, ArrowDown: 0xe050, ArrowLeft: 0xe04b, ArrowRight: 0xe04d,
});

const KEYSYM = {
  Escape: 0xff1b, Backspace: 0xff08, Tab: 0xff09, Enter: 0xff0d, ControlLeft: 0xffe3, ControlRight: 0xffe4, ShiftLeft: 0xffe1, ShiftRight: 0xffe2,
  AltLeft: 0xffe9, AltRight: 0xfe03, MetaLeft: 0xffeb, PrintScreen: 0xff61, Delete: 0xffff, Insert: 0xff63, Home: 0xff50, End: 0xff57,
  PageUp: 0xff55, PageDown: 0xff56, ArrowUp: 0xff52, ArrowDown: 0xff54, ArrowLeft: 0xff51, ArrowRight: 0xff53, Space: 0x20, CapsLock: 0xffe5,
  Minus: 0x2d, Equal: 0x3d, BracketLeft: 0x5b, BracketRight: 0x5d, Semicolon: 0x3b, Quote: 0x27, Backquote: 0x60, Backslash: 0x5c,
  Comma: 0x2c, Period: 0x2e, Slash: 0x2f, IntlBackslash: 0x3c,
};

/** The keysym of a key on a US keyboard, for servers that know no scan codes. */
export function keysym(code) {
  const f = /^F(\d+)$/.exec(code);
  if (f) return 0xffbd + Number(f[1]);
  return KEYSYM[code] ?? code.at(-1).toLowerCase().charCodeAt(0);
}

/** Presses keys in their order and lets them go in the other. */
export function press(screen, codes) {
  for (const code of codes) screen.key(code, true);
  for (const code of [...codes].reverse()) screen.key(code, false);
}

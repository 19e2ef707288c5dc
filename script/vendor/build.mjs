// Builds what is committed under static/: `node build.mjs` all of it, `node build.mjs --css` only static/app.css.
// Nothing here runs on an operator's machine; script/vendor/check proves that the committed files are these.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { trim } from "./tabler.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, "../..");
const STATIC = join(ROOT, "static");
const VENDOR = join(STATIC, "vendor");
const MANIFEST = join(VENDOR, "manifest.json");

// package → what of it is shipped: [file in the package, file here]. Fonts and CSS are copied, scripts minified.
const SHIPPED = {
  "@tabler/core": [["dist/css/tabler.css", "static/vendor/tabler.css"]],
  "@fontsource-variable/inter": [
    ["files/inter-latin-wght-normal.woff2", "static/vendor/inter-latin.woff2"],
    ["files/inter-cyrillic-wght-normal.woff2", "static/vendor/inter-cyrillic.woff2"],
  ],
  "idiomorph": [["dist/idiomorph.esm.js", "static/vendor/idiomorph.js"]],
  "uplot": [["dist/uPlot.esm.js", "static/vendor/uplot.js"], ["dist/uPlot.min.css", "static/vendor/uplot.css"]],
  // Bundled from script/vendor/bundles, one a kind of console, each loaded by the console's page alone.
  "@novnc/novnc": [["bundles/console-vnc.js", "static/vendor/console-vnc.js"]],
  "@xterm/xterm": [["bundles/console-serial.js", "static/vendor/console-serial.js"], ["css/xterm.css", "static/vendor/xterm.css"]],
  "@xterm/addon-fit": [],
  "@spice-project/spice-html5": [["bundles/console-spice.js", "static/vendor/console-spice.js"]],
  "@tabler/icons": [["icons.txt", "static/icons.svg"]],
  "axe-core": [["axe.min.js", "tests/browser/vendor/axe.min.js"]],   // for tests alone
};

if (!process.argv.includes("--css")) await vendored();
await stylesheet();
manifest();

async function vendored() {
  rmSync(VENDOR, { recursive: true, force: true });
  for (const [name, files] of Object.entries(SHIPPED)) {
    for (const [from, to] of files) await ship(name, from, join(ROOT, to));
  }
  write(join(VENDOR, "LICENSES"), licences());
}

async function ship(name, from, to) {
  if (from === "icons.txt") return write(to, sprite());
  if (from.startsWith("bundles/")) return bundle(join(HERE, from), to);
  const source = join(HERE, "node_modules", name, from);
  if (to.endsWith("tabler.css")) return write(to, trim(read(source), sheets(join(STATIC, "css")).map(read).join("\n")));
  if (to.endsWith(".js") && !from.includes(".min.")) {
    const { code } = await esbuild.transform(read(source), { minify: true, format: "esm", legalComments: "inline" });
    return write(to, withoutMap(code));
  }
  write(to, /\.(js|css)$/.test(to) ? withoutMap(read(source)) : readFileSync(source));
}

/** One module of a library's many. spice-html5 makes its sockets itself: the page's own maker of sockets stands in for WebSocket, its source is untouched. */
async function bundle(from, to) {
  await esbuild.build({
    entryPoints: [from], outfile: to, bundle: true, minify: true, format: "esm", legalComments: "inline", target: "es2022",
    define: from.includes("spice") ? { WebSocket: "WvSpiceSocket" } : {},
  });
  write(to, withoutMap(read(to)));
}

/** All of static/css in the order of app.css's imports, one file, so that a page needs one request. */
async function stylesheet() {
  await esbuild.build({
    entryPoints: [join(STATIC, "css/app.css")],
    outfile: join(STATIC, "app.css"),
    bundle: true, minify: true, legalComments: "inline", target: ["chrome120", "firefox121", "safari17.4"],
    external: ["*.woff2"],
  });
}

/** icons.txt names Tabler's outline icons one a line; states.svg holds our own shapes. */
function sprite() {
  const symbols = read(join(HERE, "icons.txt")).split("\n").filter((line) => /^[a-z]/.test(line)).map((name) => {
    const svg = read(join(HERE, "node_modules/@tabler/icons/icons/outline", `${name}.svg`));
    const shapes = [...svg.matchAll(/<(?:path|rect|circle|line|polyline|ellipse)[^>]*>/g)].map((found) => found[0]).filter((shape) => !shape.includes("M0 0h24v24H0z"));
    return `<symbol id="i-${name}" viewBox="0 0 24 24">${shapes.join("").replaceAll(" />", "/>")}</symbol>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg">\n<!-- i-*: Tabler Icons, MIT, see vendor/LICENSES. s-*: WebVirt's own. -->\n${symbols.join("\n")}\n${read(join(HERE, "states.svg"))}</svg>\n`;
}

function licences() {
  return Object.keys(SHIPPED).map((name) => {
    const folder = join(HERE, "node_modules", name);
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    const { version, license } = JSON.parse(read(join(folder, "package.json")));
    const text = file ? read(join(folder, file)) : read(join(HERE, "licences", `${name.replace("/", "-")}.txt`));
    return `${"─".repeat(72)}\n${name} ${version} (${license})\n${"─".repeat(72)}\n${text.trim()}\n`;
  }).join("\n");
}

/** Which versions these files are of, and their hashes; `sources` tells whether app.css is older than static/css. */
function manifest() {
  const wanted = JSON.parse(read(join(HERE, "package.json"))).devDependencies;
  const packages = Object.fromEntries(Object.entries(SHIPPED).map(([name, files]) => [name, { version: wanted[name], files: files.map(([, to]) => to) }]));
  const paths = [...Object.values(SHIPPED).flat().map(([, to]) => to), "static/vendor/LICENSES", "static/app.css"].sort();
  const files = Object.fromEntries(paths.map((path) => [path, sha256(join(ROOT, path))]));
  const sources = Object.fromEntries(sheets(join(STATIC, "css")).map((path) => [relative(ROOT, path), sha256(path)]));
  write(MANIFEST, JSON.stringify({ packages, files, sources }, null, 2) + "\n");
}

function sheets(folder) {
  return readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".css")).sort().map((name) => join(folder, name));
}

function withoutMap(text) { return text.replace(/\n?\/[/*][#@] sourceMappingURL=[^\n]*/g, "").trimEnd() + "\n"; }
function sha256(path) { return createHash("sha256").update(readFileSync(path)).digest("hex"); }
function read(path) { return readFileSync(path, "utf8"); }
function write(path, content) { mkdirSync(dirname(path), { recursive: true }); writeFileSync(path, content); }

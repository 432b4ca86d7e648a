/**
 * Copies the browser's libraries, with their licences, from node_modules into web/static/vendor/, which is made
 * afresh. Run by `npm run vendor`. Every module is renamed to .js, a name that every server gives the right type.
 */

import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const packages = join(here, "..", "..", "node_modules");
const vendor = join(here, "vendor");

const FILES = {
  "markdown-it/LICENSE": "licences/markdown-it.txt",
  // packages inside markdown-it's file
  "entities/LICENSE": "licences/entities.txt",
  "linkify-it/LICENSE": "licences/linkify-it.txt",
  "mdurl/LICENSE": "licences/mdurl.txt",
  "punycode.js/LICENSE-MIT.txt": "licences/punycode.js.txt",
  "uc.micro/LICENSE.txt": "licences/uc.micro.txt",
  "dompurify/LICENSE": "licences/dompurify.txt",
  "@highlightjs/cdn-assets/es/highlight.min.js": "highlight.js",
  "@highlightjs/cdn-assets/LICENSE": "licences/highlight.js.txt",
  "idb/LICENSE": "licences/idb.txt",
  "katex/dist/katex.mjs": "katex/katex.js",
  "katex/dist/katex.min.css": "katex/katex.css",
  "katex/LICENSE": "licences/katex.txt",
  "lucide-static/LICENSE": "licences/lucide.txt",
  "unzipit/LICENSE.md": "licences/unzipit.txt",
};
// The icons of the page, by their names in the package.
const ICONS = [
  "arrow-down",
  "arrow-up",
  "check",
  "chevron-down",
  "chevron-left",
  "chevron-right",
  "copy",
  "ellipsis",
  "file-braces",
  "file-text",
  "info",
  "panel-left",
  "paperclip",
  "pencil",
  "pin",
  "pin-off",
  "play",
  "plus",
  "refresh-cw",
  "search",
  "settings",
  "sliders-horizontal",
  "square",
  "text-wrap",
  "trash-2",
  "x",
];

await rm(vendor, { recursive: true, force: true });
for (const [source, target] of Object.entries(FILES)) await copy(source, target);
// half as large as their modules, which come with comments only
await copyAsModule("dompurify/dist/purify.min.js", "dompurify.js", "default module.exports");
await copyAsModule("markdown-it/dist/browser/markdown-it.umd.min.js", "markdown-it.js", "default module.exports");
await copyAsModule("idb/build/umd.js", "idb.js", "const { openDB } = module.exports");
await copyAsModule("unzipit/dist/unzipit.min.js", "unzipit.js", "const { unzip } = module.exports");
for (const font of await readdir(join(packages, "katex/dist/fonts"))) {
  // every browser that runs this page reads woff2, which the style sheet names first
  if (font.endsWith(".woff2")) await copy(`katex/dist/fonts/${font}`, `katex/fonts/${font}`);
}

await writeFile(join(vendor, "icons.svg"), await spriteOf(ICONS));

/**
 * @param {string} source below node_modules
 * @param {string} target below vendor
 */
async function copy(source, target) {
  await mkdir(dirname(join(vendor, target)), { recursive: true });
  await cp(join(packages, source), join(vendor, target));
}

/**
 * Makes a module of a script that may also be a CommonJS module.
 *
 * @param {string} source below node_modules
 * @param {string} target below vendor
 * @param {string} exported what the module exports, as its last line says it
 */
async function copyAsModule(source, target, exported) {
  const script = await readFile(join(packages, source), "utf8");
  const module = `const module = { exports: {} }, exports = module.exports;\n${script}\nexport ${exported};\n`;
  await writeFile(join(vendor, target), module);
}

/**
 * Returns one image with a symbol for each icon, which the page contains: `<use href="#sluice-icon-copy">`.
 *
 * @param {string[]} names
 */
async function spriteOf(names) {
  const symbols = names.map(async (name) => {
    const icon = await readFile(join(packages, `lucide-static/icons/${name}.svg`), "utf8");
    const shapes = /<svg[^>]*>(.*)<\/svg>/s.exec(icon)[1].replace(/\s*\n\s*/g, "");
    return `<symbol id="sluice-icon-${name}" viewBox="0 0 24 24">${shapes}</symbol>\n`;
  });
  const all = (await Promise.all(symbols)).join("");
  return `<svg xmlns="http://www.w3.org/2000/svg" width="0" height="0" aria-hidden="true" hidden>\n${all}</svg>\n`;
}

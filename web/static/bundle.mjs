/**
 * Bundles the page's modules, web/static/js/, into web/static/bundle/, which is made afresh. Run by `npm run bundle`.
 *
 * A module that is imported dynamically keeps its path. All files lie as deep as the modules do, some of which address
 * others relative to themselves.
 */

import { createHash } from "node:crypto";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, "js");
const bundle = join(here, "bundle");

const MAIN = "main.js";
// The browser waits for it before it paints.
const APPEARANCE = "settings/appearance.js";
const INTERACTION = "interaction.js";
// Draws answers, also where the rest cannot be loaded.
const MARKDOWN = "markdown/markdown.js";
// Loaded at once where questions may have images.
const IMAGES = "composer/attachments.js";
// Has no document: a file of its own, with all that it imports.
const WORKER = "markdown/highlight_worker.js";

await rm(bundle, { recursive: true, force: true });
const entries = [MAIN, APPEARANCE].map((name) => join(modules, name));
const beforePaint = await neededBy(APPEARANCE);
const images = await neededBy(IMAGES);
const interaction = await neededBy(INTERACTION);
const markdown = await neededBy(MARKDOWN);
const page = await build([MAIN, APPEARANCE], true, [
  { name: "before_paint", test: (id) => beforePaint.has(id) && !entries.includes(id), priority: 4 },
  { name: "page", tags: ["$initial"], test: (id) => !entries.includes(id), priority: 3 },
  { name: "images", test: (id) => images.has(id), priority: 2 },
  { name: "interaction", test: (id) => interaction.has(id) && !markdown.has(id), priority: 1 },
]);
await build([WORKER], true);
const manifest = { sources: await digest(), first: filesOf(page, [MAIN, APPEARANCE]).sort() };
await writeFile(join(bundle, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);

/**
 * @param {string[]} names of entries, below js/
 * @param {boolean} isWritten whether the files are written; those of the same names are replaced
 * @param {import("rolldown").CodeSplittingGroup[]} [groups] files for modules that several others import
 */
async function build(names, isWritten, groups) {
  const input = Object.fromEntries(names.map((name) => [name.replace(/\.js$/, ""), join(modules, name)]));
  // a page uses no export of an entry, and only without them may a group be without what its modules import
  const preserveEntrySignatures = isWritten ? false : "strict";
  const checks = { ineffectiveDynamicImport: false }; // it is meant in interaction.js
  const made = await rolldown({ input, platform: "browser", preserveEntrySignatures, treeshake: isWritten, checks });
  const { output } = await made[isWritten ? "write" : "generate"]({
    dir: bundle,
    minify: true,
    sourcemap: true,
    sourcemapExcludeSources: true, // the modules are served, too
    entryFileNames: "[name].js",
    chunkFileNames: ({ facadeModuleId, name }) =>
      facadeModuleId ? relative(modules, facadeModuleId).split(sep).join("/") : `shared/${name}.js`,
    codeSplitting: groups && { includeDependenciesRecursively: false, groups },
  });
  await made.close();
  return output.filter((file) => file.type === "chunk");
}

/** Returns a module, and all that it imports. @param {string} name */
async function neededBy(name) {
  const files = await build([name], false);
  const needed = filesOf(files, [name]);
  return new Set(files.filter(({ fileName }) => needed.includes(fileName)).flatMap(({ moduleIds }) => moduleIds));
}

/**
 * @param {import("rolldown").OutputChunk[]} files
 * @param {string[]} names
 * @returns {string[]} these files and all that they import, directly or not; not dynamically
 */
function filesOf(files, names) {
  const found = new Set(names);
  for (const name of found) {
    for (const imported of files.find(({ fileName }) => fileName === name)?.imports ?? []) found.add(imported); // grows meanwhile
  }
  return [...found];
}

/** Returns a hash over all modules, as web/page/assets.py makes it. */
async function digest() {
  const hash = createHash("sha256");
  const names = (await readdir(modules, { recursive: true })).filter((name) => name.endsWith(".js"));
  for (const name of names.map((each) => each.split(sep).join("/")).sort()) {
    hash.update(`${name}\0`).update(await readFile(join(modules, name))).update("\0");
  }
  return hash.digest("hex");
}

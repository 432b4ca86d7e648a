/**
 * Bundles the page's modules, web/static/js/, into web/static/bundle/, which is made afresh. Run by `npm run bundle`.
 *
 * A module that is imported dynamically keeps its path, so that a page from before a deploy finds the new one. All files
 * lie as deep as the modules do, some of which address others relative to themselves.
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
// The browser waits for it before it paints: what it imports is a file without anything else.
const APPEARANCE = "settings/appearance.js";
// Has no document: a file of its own, with all that it imports.
const WORKER = "markdown/highlight_worker.js";

await rm(bundle, { recursive: true, force: true });
const before = new Set((await build([APPEARANCE])).flatMap(({ moduleIds }) => moduleIds));
const entries = [MAIN, APPEARANCE].map((name) => join(modules, name));
const page = await build([MAIN, APPEARANCE], [
  { name: "before_paint", test: (id) => before.has(id) && !entries.includes(id), priority: 2 },
  { name: "page", tags: ["$initial"], test: (id) => !entries.includes(id), priority: 1 },
]);
await build([WORKER]);
const manifest = { sources: await digest(), first: withImports(page, [MAIN, APPEARANCE]).sort() };
await writeFile(join(bundle, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);

/**
 * Writes the files of some entries, replacing those of the same names.
 *
 * @param {string[]} names of the entries, below js/
 * @param {import("rolldown").CodeSplittingGroup[]} [groups] files for modules that several others import
 */
async function build(names, groups) {
  const input = Object.fromEntries(names.map((name) => [name.replace(/\.js$/, ""), join(modules, name)]));
  // an entry exports nothing to a page: only then may a group be without what its modules import
  const made = await rolldown({ input, platform: "browser", preserveEntrySignatures: false });
  const { output } = await made.write({
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

/**
 * @param {import("rolldown").OutputChunk[]} files
 * @param {string[]} names
 * @returns {string[]} these files and all that they import, directly or not, without dynamic imports
 */
function withImports(files, names) {
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

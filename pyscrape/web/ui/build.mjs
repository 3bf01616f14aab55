// Writes query.js, query.css and their licences to the folder that is given; the same sources give the same bytes.
import { readFileSync, readdirSync, writeFileSync, existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = process.argv[2];
if (!target) throw new Error("usage: node build.mjs FOLDER");

const result = await build({
  absWorkingDir: here,
  entryPoints: { query: "src/main.js" },
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  outdir: target,
  metafile: true,
});

// What went into the bundle, with the licence texts that must go with it.
const packages = new Set();
for (const input of Object.keys(result.metafile.inputs)) {
  const found = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
  if (found) packages.add(found[1]);
}
const texts = [];
for (const name of [...packages].sort()) {
  const folder = join(here, "node_modules", name);
  const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
  const text = file && existsSync(join(folder, file)) ? readFileSync(join(folder, file), "utf8").trim() : "";
  texts.push(`${name} ${version} (${license})\n\n${text}`.trim());
}
writeFileSync(join(target, "query-licenses.txt"), texts.join("\n\n" + "-".repeat(80) + "\n\n") + "\n");

// Reads rendered manifests, holds each to the JSON schema of its kind, and writes it as a literal of its type for tsc.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [, , folder, project] = process.argv;
const { parseAllDocuments } = createRequire(join(project, "package.json"))("yaml");
let failed = 0;
let count = 0;
for (const file of readdirSync(folder).filter((name) => name.endsWith(".yaml"))) {
  for (const document of parseAllDocuments(readFileSync(join(folder, file), "utf8"))) {
    const manifest = document.toJS();
    const path = `kubernetes-models/${manifest.apiVersion}`;
    const Model = (await import(path))[manifest.kind];
    try {
      new Model(manifest).validate();
    } catch (error) {
      failed += 1;
      process.stderr.write(`${file}: ${manifest.kind} ${manifest.metadata.name}: ${error.message}\n`);
    }
    const name = `I${manifest.kind}`;
    const text = `import type { ${name} } from "${path}";\nexport const manifest: ${name} = ${JSON.stringify(manifest, null, 2)};\n`;
    writeFileSync(join(folder, `manifest-${++count}.ts`), text);
  }
}
process.stdout.write(`${count} manifests, ${failed} of them not as their schemas have it\n`);
process.exit(failed === 0 && count > 10 ? 0 : 1);

// tshy gives each build a package.json of its own, and bundlers ask the nearest one whether an unused import can be left out.
import {readFileSync, writeFileSync} from 'node:fs';

const read = (file) => JSON.parse(readFileSync(file, 'utf8'));

const {sideEffects} = read(new URL('../package.json', import.meta.url));
for (const build of ['esm', 'commonjs']) {
  const file = new URL(`../dist/${build}/package.json`, import.meta.url);
  writeFileSync(file, `${JSON.stringify({...read(file), sideEffects}, undefined, 2)}\n`);
}

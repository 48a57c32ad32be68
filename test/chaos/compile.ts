/** Compiles the harness and the lock, so that workers start fast and any runtime can run them. */
import {cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {applyEdits, type Edit} from '../support/edits.js';
import {transpileFolder} from '../support/transpile.js';

interface Options {
  /** Are made in the sources before. */
  readonly edits?: readonly Edit[];
  /** The directory `dist/esm` of an installed package, to be used instead of what `src` becomes. */
  readonly dist?: string;
}

/**
 * @returns the program of a run, which takes its `RunOptions` as JSON, and what removes it again
 */
export function compileRun({edits = [], dist}: Options = {}): {
  program: string;
  remove: () => void;
} {
  const edited = applyEdits(edits);
  const directory = mkdtempSync(path.join(tmpdir(), 'lock-chaos-'));
  for (const folder of ['src', 'test/support', 'test/chaos']) {
    transpileFolder(folder, directory, {change: (file, source) => edited.get(file) ?? source});
  }
  if (dist !== undefined) {
    const src = path.join(directory, 'src');
    rmSync(src, {recursive: true});
    cpSync(dist, src, {recursive: true});
  }
  writeFileSync(path.join(directory, 'package.json'), JSON.stringify({type: 'module'}));
  const nodeModules = fileURLToPath(new URL('../../node_modules', import.meta.url));
  symlinkSync(nodeModules, path.join(directory, 'node_modules'));
  return {
    program: path.join(directory, 'test/chaos/run.js'),
    remove: () => rmSync(directory, {recursive: true, force: true}),
  };
}

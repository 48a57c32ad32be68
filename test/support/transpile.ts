/** Compiles a folder of this repository for workers and programs that start without tsimp. */
import {mkdirSync, readFileSync, readdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import ts from 'typescript';

const repository = fileURLToPath(new URL('../..', import.meta.url));

interface Options {
  readonly module?: ts.ModuleKind;
  /** Gives the text to compile instead of a file's own. The path is relative to the repository. */
  readonly change?: (file: string, source: string) => string;
}

/**
 * Compiles each TypeScript file of a folder, without checking its types.
 *
 * @param from the folder, relative to the repository
 * @param to the directory in which it gets the same relative path
 */
export function transpileFolder(
  from: string,
  to: string,
  {module = ts.ModuleKind.ES2022, change = (_, source) => source}: Options = {},
): void {
  const files = readdirSync(path.join(repository, from), {recursive: true, encoding: 'utf8'});
  for (const name of files) {
    if (!name.endsWith('.ts')) continue;
    const file = path.posix.join(from, name.replaceAll(path.sep, '/'));
    const source = change(file, readFileSync(path.join(repository, file), 'utf8'));
    const {outputText} = ts.transpileModule(source, {
      compilerOptions: {module, target: ts.ScriptTarget.ES2022, esModuleInterop: true},
      fileName: file,
    });
    const target = path.join(to, file.replace(/\.ts$/, '.js'));
    mkdirSync(path.dirname(target), {recursive: true});
    writeFileSync(target, outputText);
  }
}

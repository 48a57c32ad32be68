/** The examples in the texts for users: each is a program that runs as it stands. */
import {readFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import ts from 'typescript';

/** The texts whose examples are run, by their paths in the repository. */
export const TEXTS = [
  'README.md',
  'docs/threads.md',
  'docs/debugging.md',
  'docs/migrating-from-2.md',
  'docs/postgres.md',
] as const;

export interface Example {
  readonly text: string;
  /** The file that its first line names. */
  readonly file: string;
  readonly code: string;
  /** The lines that it says it prints. */
  readonly prints: readonly string[];
  /** What it prints without the lock, if the text says so right below. */
  readonly printsWithout: string | undefined;
}

/** How a program loads the package. */
export const WAYS = ['import', 'require'] as const;
export type Way = (typeof WAYS)[number];

export const readText = (text: string) =>
  readFileSync(fileURLToPath(new URL(`../../${text}`, import.meta.url)), 'utf8');

const BLOCK =
  /^```(?:js|ts)\n(.*?)^```\n(?:\nWithout the locks? it prints (`.*?`|less than \d+))?/gms;

export const examplesOf = (text: string): Example[] =>
  [...readText(text).matchAll(BLOCK)].map(([, code = '', printsWithout]) => {
    const file = /^\/\/ (\S+\.[mc][jt]s)\n/.exec(code)?.[1];
    if (file === undefined) {
      throw new Error(`${text}: the first line of this names no file:\n${code}`);
    }
    const prints = [...code.matchAll(/console\.log.*; \/\/ (.*)$/gm)].flatMap(
      ([, line]) => line ?? [],
    );
    return {text, file, code, prints, printsWithout};
  });

/** The same program as JavaScript that loads the package in this way, and the name of its file. */
export function translated({file, code}: Example, way: Way): {file: string; code: string} {
  const [name = '', ending = ''] = file.split(/\.(?=[^.]*$)/);
  const javaScript = ending.endsWith('ts') ? withoutTypes(code) : code;
  const isModule = ending.startsWith('m');
  if (way === 'import')
    return {file: `${name}.mjs`, code: isModule ? javaScript : asModule(javaScript)};
  return {file: `${name}.cjs`, code: isModule ? asCommonJs(javaScript) : javaScript};
}

const withoutTypes = (code: string) =>
  ts.transpileModule(code, {
    compilerOptions: {target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext},
  }).outputText;

function asCommonJs(code: string): string {
  const imports: string[] = [];
  const rest = code
    .replace(/^import (.*) from (.*);$/gm, (_, names: string, from: string) => {
      imports.push(`const ${names.replaceAll(' as ', ': ')} = require(${from});`);
      return '';
    })
    .replace(/^export default /m, 'module.exports = ')
    .replace(/^export /gm, '')
    .replaceAll('import.meta.url', '__filename')
    .replaceAll('new URL(__filename)', '__filename');
  return `${imports.join('\n')}\n(async () => {\n${rest}\n})();\n`;
}

const asModule = (code: string) =>
  code
    .replace(/^const (.*) = require\((.*)\);$/gm, 'import $1 from $2;')
    .replaceAll('__filename', 'new URL(import.meta.url)');

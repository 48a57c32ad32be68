import {existsSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import {fileURLToPath} from 'node:url';

/** This directory, whose package.json names the runtimes that npm installs. */
export const here = fileURLToPath(new URL('.', import.meta.url));

/** The file of a runtime, or `undefined` where npm has none for this platform. */
export function findBinary(name: 'bun' | 'deno'): string | undefined {
  const file = path.join(here, '../../node_modules/.bin', name);
  return existsSync(file) ? file : undefined;
}

/** Debian's Chromium, or that of the variable `CHROMIUM`. */
export function findChromium(): string | undefined {
  const {CHROMIUM, PATH = ''} = process.env;
  if (CHROMIUM !== undefined) return CHROMIUM;
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  return PATH.split(path.delimiter)
    .flatMap((directory) => names.map((name) => path.join(directory, name)))
    .find((file) => existsSync(file));
}

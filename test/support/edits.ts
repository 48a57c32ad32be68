/** Changes of the sources, such as the faults that the harnesses plant. */
import {readFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';

/** In a file of this repository, the text `find` occurs exactly once, and becomes `replacement`. */
export interface Edit {
  readonly file: string;
  readonly find: string | RegExp;
  readonly replacement: string;
}

export const edit = (file: string, find: string, replacement: string): readonly Edit[] => [
  {file, find, replacement},
];

/** The texts of the files that the edits are of, by their paths, with all edits made. */
export function applyEdits(edits: readonly Edit[]): ReadonlyMap<string, string> {
  const sources = new Map<string, string>();
  for (const {file, find, replacement} of edits) {
    const source =
      sources.get(file) ??
      readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), 'utf8');
    const occurrences = source.split(find).length - 1;
    if (occurrences !== 1) {
      throw new Error(
        `Expected to find this once in ${file}, but found it ${occurrences} times:\n${String(find)}`,
      );
    }
    sources.set(
      file,
      source.replace(find, () => replacement),
    );
  }
  return sources;
}

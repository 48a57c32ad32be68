/** Faults that the harness must find, each a change of a place or two in the sources. */

type Change = readonly [file: string, from: string, to: string];

const MEMORY = 'src/shared/lockMemory.ts';
const LINE = 'src/shared/sharedLine.ts';
const PRESENCE = 'src/shared/presence.ts';

const FAULTS: Readonly<Record<string, readonly Change[]>> = {
  'a busy owner is robbed': [
    [
      PRESENCE,
      '  if (owner.hasDied) return true;',
      '  if (owner.hasDied || Math.random() > 0.5) return true;',
    ],
    [
      MEMORY,
      'const died = slotState(threadId, DIED);',
      'const died = Atomics.load(this.#cells, cell);',
    ],
  ],
  'who times out releases the lock': [
    [
      MEMORY,
      '  withdraw(slot: number, ticket: number): Word | undefined {',
      '  withdraw(slot: number, ticket: number): Word | undefined {\n    Atomics.and(this.#cells, WORD, ~SLOT_MASK);',
    ],
  ],
  'test, then set': [
    [
      MEMORY,
      '    return Atomics.compareExchange(this.#cells, WORD, word, replacement) === word;',
      '    if (Atomics.load(this.#cells, WORD) !== word) return false;\n    Atomics.store(this.#cells, WORD, replacement);\n    return true;',
    ],
  ],
  'the abandoned mark is forgotten': [
    [
      MEMORY,
      'const taken = this.take(slot, now, ABANDONED);',
      'const taken = this.take(slot, now);',
    ],
  ],
  'not only the heir is told': [
    [
      MEMORY,
      '      this.#free(slot, threadId);\n    }\n    Atomics.and(this.#cells, WORD, ~ABANDONED);',
      '      Atomics.store(this.#cells, cell, thread);\n    }',
    ],
  ],
  'nobody is woken, and nobody looks': [
    [MEMORY, '    Atomics.notify(this.#cells, slotCell(slot, PARKED_AT));', ''],
    [
      LINE,
      'startTimer(delay, true, () => this.#look())',
      'startTimer(1e8, true, () => this.#look())',
    ],
  ],
  'the dead are never found': [
    [PRESENCE, '  if (owner.hasDied) return true;', '  if (owner.threadId > 0) return false;'],
  ],
};

/** Plants the fault into `sources`, which are by their paths. */
export function plant(name: string, sources: Map<string, string>): void {
  const changes = FAULTS[name];
  if (changes === undefined) {
    throw new Error(`Expected --fault to be one of these:\n${Object.keys(FAULTS).join('\n')}`);
  }
  for (const [file, from, to] of changes) {
    const source = sources.get(file);
    if (source?.split(from).length !== 2) {
      throw new Error(`Expected ${file} to have this once:\n${from}`);
    }
    sources.set(
      file,
      source.replace(from, () => to),
    );
  }
}

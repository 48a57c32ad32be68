/**
 * Interleaved rounds: each goes through all rows, and through all locks of a row directly after
 * each other, so that a machine that grows faster or slower meanwhile does so for every lock alike.
 * Who is first rotates.
 */
import type {Cell, Outcome, Part} from './report.js';
import {takeTurn} from './turns.js';

export interface Row {
  readonly name: string;
  readonly contestants: readonly Contestant[];
}

export interface Contestant {
  readonly lock: string;
  readonly measure: () => Promise<Outcome>;
}

export async function measureRows(
  part: Part,
  rows: readonly Row[],
  rounds: number,
  beforeRound: (round: number) => void = () => undefined,
): Promise<Cell[]> {
  const cells = rows.map(({name, contestants}) =>
    contestants.map(({lock, measure}) => ({
      measure,
      cell: {part, row: name, lock, rounds: [] as Outcome[]},
    })),
  );
  const progress = new Progress(rounds * cells.flat().length);
  for (let round = 0; round < rounds; round++) {
    beforeRound(round);
    for (const row of cells) {
      await takeTurn();
      const first = round % row.length;
      for (const {measure, cell} of [...row.slice(first), ...row.slice(0, first)]) {
        progress.show(`${part}, round ${round + 1} of ${rounds}: ${cell.row}, ${cell.lock}`);
        cell.rounds.push(await measure());
      }
    }
  }
  progress.end();
  return cells.flat().map(({cell}) => cell);
}

/** One line on stderr; where that is no terminal, a new line now and then. */
class Progress {
  readonly #total: number;
  readonly #start = performance.now();
  #done = 0;
  #shownAt = -Infinity;

  constructor(total: number) {
    this.#total = total;
  }

  show(doing: string): void {
    const now = performance.now();
    const left = ((now - this.#start) / this.#done) * (this.#total - this.#done);
    const line = `${doing}${this.#done === 0 ? '' : `; about ${Math.ceil(left / 1000)} s left`}`;
    this.#done++;
    if (process.stderr.isTTY) {
      process.stderr.write(`\r\x1b[K${line.slice(0, process.stderr.columns - 1)}`);
    } else if (now - this.#shownAt > 5000) {
      this.#shownAt = now;
      process.stderr.write(`${line}\n`);
    }
  }

  end(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  }
}

/** What a run of the benchmarks found, as `--json` writes it, and how figures are read from it. */
import {readFileSync} from 'node:fs';

export const PARTS = ['one-thread', 'threads', 'keys', 'blocking', 'growth', 'machines'] as const;
export type Part = (typeof PARTS)[number];

/** What one lock did in one row of one part, round by round. */
export interface Cell {
  readonly part: Part;
  readonly row: string;
  readonly lock: string;
  readonly rounds: readonly Outcome[];
}

export type Outcome = Figures | Failure;
export type Figures = Readonly<Record<string, number>>;
export type Failure = 'crashed' | 'hung';

export interface Report {
  readonly node: string;
  readonly processor: string;
  readonly date: string;
  readonly quick: boolean;
  readonly cells: readonly Cell[];
}

/** The lock of this package, in every part. */
export const OURS = '@databases/lock';

export const readReport = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Report;

/** What `--json` wrote: a report for each Node.js. */
export const readReports = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Report[];

export const describeRun = ({node, processor, date, quick}: Report) =>
  `Node.js ${node}, ${processor}, ${date.slice(0, 10)}${quick ? ' (quick: rough figures)' : ''}`;

/** Reads one part of a report. */
export class PartReader {
  readonly cells: readonly Cell[];

  constructor(report: Report, part: Part) {
    this.cells = report.cells.filter((cell) => cell.part === part);
  }

  /** The locks of a row, in the order in which they were listed. */
  locks(row: string): string[] {
    return this.cells.filter((cell) => cell.row === row).map((cell) => cell.lock);
  }

  /**
   * The median over the rounds that came to an end; undefined when none did, or when it was not
   * measured.
   */
  figure(row: string, lock: string, name: string): number | undefined {
    return median(this.#figures(row, lock, name));
  }

  /** The worst round, for what must not happen once. */
  highest(row: string, lock: string, name: string): number | undefined {
    const figures = this.#figures(row, lock, name);
    return figures.length === 0 ? undefined : Math.max(...figures);
  }

  failures(row: string, lock: string): Failure[] {
    return this.#rounds(row, lock).filter((outcome) => typeof outcome === 'string');
  }

  #rounds(row: string, lock: string): readonly Outcome[] {
    return this.cells.find((cell) => cell.row === row && cell.lock === lock)?.rounds ?? [];
  }

  #figures(row: string, lock: string, name: string): number[] {
    return this.#rounds(row, lock).flatMap((outcome) =>
      typeof outcome === 'string' ? [] : (outcome[name] ?? []),
    );
  }
}

function median(figures: readonly number[]): number | undefined {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  const lower = sorted[sorted.length - 1 - middle];
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2;
}

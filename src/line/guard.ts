import type {LockGuard} from '../types.js';

/** The symbol, or the one by which compiled `using` looks for it where the platform has none. */
const DISPOSE: typeof Symbol.dispose =
  (Symbol as Partial<typeof Symbol>).dispose ??
  (Symbol.for('Symbol.dispose') as typeof Symbol.dispose);

/** One acquisition, to be released once. */
export class Guard implements LockGuard {
  /** A function of its own, so that it can be handed on, and be called on a proxy of the guard. */
  readonly release: () => void;

  constructor(release: () => void) {
    this.release = release;
  }

  [DISPOSE](): void {
    this.release();
  }

  get [Symbol.toStringTag](): string {
    return 'LockGuard';
  }
}

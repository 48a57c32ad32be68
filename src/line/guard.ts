import type {LockGuard} from '../types.js';
import type {LineLock} from './lineLock.js';

/** The symbol, or the one by which compiled `using` looks for it where the platform has none. */
const DISPOSE: typeof Symbol.dispose =
  (Symbol as Partial<typeof Symbol>).dispose ??
  (Symbol.for('Symbol.dispose') as typeof Symbol.dispose);

/** One acquisition, by the number that it has in its line. Not its waiter, lest the holder keep that for as long. */
export class Guard implements LockGuard {
  /** Until it was released. */
  #lock: LineLock | undefined;
  readonly #acquisition: number;

  constructor(lock: LineLock, acquisition: number) {
    this.#lock = lock;
    this.#acquisition = acquisition;
  }

  release(): void {
    const lock = this.#lock;
    this.#lock = undefined;
    lock?.endAcquisition(this.#acquisition);
  }

  [DISPOSE](): void {
    this.release();
  }
}

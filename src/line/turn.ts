import type {LockGuard} from '../types.js';
import type {LineLock} from './lineLock.js';

/** The symbol, or the one by which compiled `using` looks for it where the platform has none. */
const DISPOSE: typeof Symbol.dispose =
  (Symbol as Partial<typeof Symbol>).dispose ??
  (Symbol.for('Symbol.dispose') as typeof Symbol.dispose);

/** One acquisition of a lock, which its holder may keep as the guard. */
export class Turn implements LockGuard {
  /** The object through which its holder came. */
  readonly lock: LineLock;
  /** Its number in its line; 0 before it begins, and once its holder has released it. */
  turn: number;

  constructor(lock: LineLock, turn: number) {
    this.lock = lock;
    this.turn = turn;
  }

  release(): void {
    const {turn} = this;
    this.turn = 0;
    if (turn !== 0) this.lock.endTurn(turn);
  }

  [DISPOSE](): void {
    this.release();
  }
}

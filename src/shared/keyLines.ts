import {createMap} from '../intrinsics.js';
import {CohortLine} from '../line/cohortLine.js';
import type {BlockingLine} from '../line/protocol.js';
import {eachInMap} from './intrinsics.js';
import {KeyContender} from './keyContender.js';
import type {Membership} from './membership.js';
import type {Key} from './memory/keys.js';
import {eachEntry} from './memory/layout.js';
import {isHeld, readWord} from './memory/word.js';

/**
 * A thread keeps this many of the lines that it used last, and at most as many again. Each takes
 * 0.9 kB, and making one takes several microseconds (row `10,000 keys` of the benchmark).
 */
const LEAST_KEPT = 10_000;

/** The line of a thread for one key, and what lock objects keep beside it. */
export interface KeyLine {
  readonly line: BlockingLine;
  /** The object through which the first caller came in, and that object's lock of the key. */
  owner: object | undefined;
  lock: object | undefined;
  /** The locks of the other objects. */
  others: WeakMap<object, object> | undefined;
}

/**
 * The lines of a thread for the keys of one memory: those that are in use, and those that were used
 * last. The latter find their places again at once.
 *
 * A key has one line in a thread, through whichever objects its callers come in. So a line that is
 * in use is never dropped.
 */
export class KeyLines {
  readonly #membership: Membership;
  #recent = createMap<Key, KeyLine>();
  #earlier = createMap<Key, KeyLine>();
  /** How many lines are in `#recent`, and how many may be. */
  #size = 0;
  #most = LEAST_KEPT;

  constructor(membership: Membership) {
    this.#membership = membership;
  }

  find(key: Key): KeyLine {
    const recent = this.#recent.get(key);
    if (recent !== undefined) return recent;
    const found = this.#earlier.get(key) ?? this.#make(key);
    if (this.#size >= this.#most) this.#forget();
    this.#recent.set(key, found);
    this.#size++;
    return found;
  }

  #make(key: Key): KeyLine {
    const membership = this.#membership;
    const line = new CohortLine((onWon) => new KeyContender(membership, key, onWon), {key});
    return {line, owner: undefined, lock: undefined, others: undefined};
  }

  /** Drops the lines that have not been used since the last call of this, except those in use. */
  #forget(): void {
    const recent = this.#recent;
    const kept = createMap<Key, KeyLine>();
    let size = 0;
    eachInMap(this.#earlier, (found, key) => {
      const {holder, waiting} = found.line;
      if ((holder === undefined && waiting === 0) || recent.get(key) !== undefined) return;
      kept.set(key, found);
      size++;
    });
    this.#earlier = recent;
    this.#recent = kept;
    this.#size = size;
    // So that the lines that are kept are not looked through again and again.
    this.#most = LEAST_KEPT + 2 * size;
  }

  /** How many keys are locked, in all threads together. */
  countHeld(): number {
    let held = 0;
    eachEntry(this.#membership.cells, (entry) => {
      if (isHeld(readWord(entry))) held++;
    });
    return held;
  }
}

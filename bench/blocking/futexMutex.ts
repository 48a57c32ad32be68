/**
 * The plain mutex of threads that block: the three-state one of Drepper, "Futexes Are Tricky". It is
 * taken in one step and freed in one step where nobody waits, and is nobody's in particular.
 */

const FREE = 0;
const HELD = 1;
/** Somebody may wait. */
const AWAITED = 2;

export class FutexMutex {
  readonly #cells: Int32Array;

  constructor(cells: Int32Array) {
    this.#cells = cells;
  }

  acquire(): void {
    if (Atomics.compareExchange(this.#cells, 0, FREE, HELD) === FREE) return;
    while (Atomics.exchange(this.#cells, 0, AWAITED) !== FREE)
      Atomics.wait(this.#cells, 0, AWAITED);
  }

  release(): void {
    if (Atomics.sub(this.#cells, 0, 1) === HELD) return;
    Atomics.store(this.#cells, 0, FREE);
    Atomics.notify(this.#cells, 0, 1);
  }

  withLock(section: () => void): void {
    this.acquire();
    try {
      section();
    } finally {
      this.release();
    }
  }

  /** Acquires it, and returns what releases it once, on its own. */
  guard(): {release(): void} {
    this.acquire();
    let isReleased = false;
    const release = () => {
      if (isReleased) return;
      isReleased = true;
      this.release();
    };
    return {release};
  }
}

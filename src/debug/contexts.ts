/** Knows which locks are held in the caller's async context. */
import {AsyncLocalStorage} from 'node:async_hooks';
import type {Holder, Mark} from './records.js';

export class Contexts {
  readonly #storage = new AsyncLocalStorage<Mark | undefined>();

  get current(): Mark | undefined {
    return this.#storage.getStore();
  }

  /** Marks the caller's async context, from here on, as one that holds a lock or waits for it. */
  enter(holder: Holder | undefined): Mark {
    const mark: Mark = {holder, parent: heldIn(this.#storage.getStore())};
    this.#storage.enterWith(mark);
    return mark;
  }

  /** Stops the tracking of contexts, which costs every promise of the process something. */
  disable(): void {
    this.#storage.disable();
  }
}

const skipOver = (mark: Mark | undefined): Mark | undefined => {
  let each = mark;
  while (each?.holder?.isOver) each = each.parent;
  return each;
};

/**
 * The newest mark whose holder still holds the lock or waits for it. Drops all other marks, of
 * which there may be many.
 */
export function heldIn(mark: Mark | undefined): Mark | undefined {
  const newest = skipOver(mark);
  for (let each = newest; each; each = each.parent) each.parent = skipOver(each.parent);
  return newest;
}

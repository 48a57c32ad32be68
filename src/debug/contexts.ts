/** Which locks the caller's own async context holds. */
import {AsyncLocalStorage} from 'node:async_hooks';
import type {Holder, Mark} from './records.js';

export class Contexts {
  readonly #storage = new AsyncLocalStorage<Mark | undefined>();

  get current(): Mark | undefined {
    return this.#storage.getStore();
  }

  /** From here on, the caller's async context is that of one who holds, or is to hold, a lock. */
  enter(holder: Holder | undefined): Mark {
    const mark: Mark = {holder, parent: heldIn(this.#storage.getStore())};
    this.#storage.enterWith(mark);
    return mark;
  }

  /** Otherwise every promise of the process would be made to remember its context for good. */
  disable(): void {
    this.#storage.disable();
  }
}

const skipOver = (mark: Mark | undefined): Mark | undefined => {
  let each = mark;
  while (each?.holder?.isOver) each = each.parent;
  return each;
};

/** The newest mark of one who still holds, or waits. Forgets the others, which may be many. */
export function heldIn(mark: Mark | undefined): Mark | undefined {
  const newest = skipOver(mark);
  for (let each = newest; each; each = each.parent) each.parent = skipOver(each.parent);
  return newest;
}

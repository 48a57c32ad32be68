/** Garbage collection, as the threads see it. */
import type {Machine} from './machine.js';
import type {Reference} from './thread.js';

/**
 * `WeakRef` and `FinalizationRegistry`. What a thread refers to is collected all at once, some time
 * after the scenario has dropped it.
 */
export function collecting(machine: Machine) {
  return {
    WeakRef: class implements Reference {
      target: object | undefined;

      constructor(target: object) {
        this.target = target;
        machine.current.references.push(this);
      }

      deref(): object | undefined {
        return this.target;
      }
    },

    FinalizationRegistry: class {
      readonly #finalize: (held: unknown) => unknown;

      constructor(finalize: (held: unknown) => unknown) {
        this.#finalize = finalize;
      }

      register(_target: object, held: unknown): void {
        machine.current.registered.push(() => this.#finalize(held));
      }
    },
  };
}

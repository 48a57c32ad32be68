import type {Contender} from './cohortLine.js';

/** What a `Contender` is asked about threads. */
type OfThreads = Pick<
  Contender,
  'captureContext' | 'handOnAndWait' | 'isHeir' | 'ownerThreadId' | 'takeBlocking' | 'tellHeir'
>;

/**
 * What a `Contender` answers about threads if it does not contend with threads: no thread is known to
 * be the owner, none inherits from one that ended, and nobody can block for the lock.
 */
export abstract class Threadless implements OfThreads {
  get isHeir(): boolean {
    return false;
  }

  ownerThreadId(): undefined {
    return undefined;
  }

  takeBlocking(): boolean {
    return false;
  }

  handOnAndWait(): void {
    throw new Error('Only a thread that blocked for a lock hands it on and waits.');
  }

  captureContext(): undefined {
    return undefined;
  }

  tellHeir(): void {
    throw new Error('Only an heir is told of a death.');
  }
}

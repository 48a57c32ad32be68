/**
 * What a lock asks the runtime about the threads of a process. Each runtime on which a lock across
 * threads works has a file beside this one, and current.ts finds the right one.
 */
export interface Runtime {
  /**
   * Tells why a lock across threads cannot work here, and what to do instead; `undefined` where it
   * works.
   */
  obstacle(): string | undefined;

  /**
   * The number of this thread, which no other thread of the process ever has. Only the main thread,
   * which ends with the process, is 0. If the runtime does not number its threads in this way, it
   * is `undefined`, and each memory numbers the threads that use it.
   */
  readonly threadId: number | undefined;

  /**
   * Whether this is the main thread, on which the process depends and which must not be blocked.
   */
  readonly isMainThread: boolean;

  /**
   * Makes sure that `probeThread` finds this thread for as long as it lives. This keeps nothing
   * alive.
   */
  becomeProbeable(): void;

  /**
   * Asks the runtime about the thread with that number. The answer `'not found'` is given only for
   * a thread that the runtime would know if it lived. It does not prove that the thread has ended,
   * but it is a reason to spend a token on it.
   */
  probeThread(id: number): Promise<Presence>;
}

export type Presence = 'found' | 'not found' | 'no answer';

/**
 * What the runtime is asked about the threads of a process. Each runtime on which a lock across
 * threads works has a file beside this one; current.ts finds the one that runs this.
 */
export interface Runtime {
  /**
   * Why a lock across threads cannot work here, as a sentence that says what to do; `undefined`
   * where it works.
   */
  obstacle(): string | undefined;

  /**
   * The number of this thread, which no other thread of the process has, had, or will have. 0 is
   * the main thread, which ends with the process, and nobody else. `undefined` where the runtime
   * numbers its threads in another way: then each memory numbers those that use it.
   */
  readonly threadId: number | undefined;

  /** Whether this is the thread that must not be blocked, because the process depends on it. */
  readonly isMainThread: boolean;

  /** Lets this thread be found by `probeThread`, for as long as it lives. Keeps nothing alive. */
  becomeProbeable(): void;

  /**
   * Asks the runtime about the thread of that number. `'not found'` is for a thread that the runtime
   * would know. It is no proof that the thread has ended, but a reason to spend a token on it.
   */
  probeThread(id: number): Promise<Presence>;
}

export type Presence = 'found' | 'not found' | 'no answer';

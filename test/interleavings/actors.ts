/** The parts of a scenario, and the callers that they announce, in one execution. */
import type {SharedLock, SharedLockOptions} from '../../src/types.js';
import type {Checks} from './checks.js';
import type {Machine} from './machine.js';
import type {Actor, Caller, Part} from './scenarios.js';
import {isGenerator, type Suspendable} from './suspendable.js';
import type {LogicalThread} from './thread.js';

/** As it is in the threads: code that may be suspended. */
export type CreateLock = (
  timeout: number | undefined,
  options: SharedLockOptions,
) => SharedLock | Suspendable<SharedLock>;

/** A caller, whose steps are checked. */
export class CallerInThread implements Caller {
  readonly actor: ActorInThread;
  readonly name: string;
  readonly goesFirst: boolean;
  state: 'waiting' | 'inside' | 'served' | 'refused' = 'waiting';
  readonly #machine: Machine;
  readonly #checks: Checks;

  constructor(
    machine: Machine,
    checks: Checks,
    actor: ActorInThread,
    name: string,
    goesFirst: boolean,
  ) {
    this.#machine = machine;
    this.#checks = checks;
    this.actor = actor;
    this.name = name;
    this.goesFirst = goesFirst;
  }

  entered(): void {
    this.#checks.entered(this);
  }

  left(): void {
    this.#checks.left(this);
  }

  served(): void {
    if (this.state !== 'inside') this.#machine.fail(`${this.name} was served, and did not run.`);
    this.state = 'served';
  }

  refused(error: unknown): void {
    const {code, message} = error as {code?: unknown; message?: unknown};
    const isDeadlock = code === 'ERR_LOCK_DEADLOCK' && this.#checks.isOwner(this.actor.thread);
    if (code !== 'ERR_LOCK_TIMEOUT' && message !== 'Aborted' && !isDeadlock) throw error;
    if (this.state !== 'waiting') this.#machine.fail(`${this.name} was refused, and ran.`);
    this.state = 'refused';
  }
}

/** A thread's part in one execution. */
export class ActorInThread implements Actor {
  readonly thread: LogicalThread;
  readonly part: Part;
  readonly callers: CallerInThread[] = [];
  isDone = false;
  /** There is no slot for it. */
  isRefused = false;
  isAttached = false;
  lock!: SharedLock;
  readonly #machine: Machine;
  readonly #checks: Checks;
  readonly #createLock: CreateLock;

  constructor(
    machine: Machine,
    checks: Checks,
    thread: LogicalThread,
    part: Part,
    createLock: CreateLock,
  ) {
    this.#machine = machine;
    this.#checks = checks;
    this.thread = thread;
    this.part = part;
    this.#createLock = createLock;
  }

  // Code that may be suspended, called from code that does not know.

  *attach(): Suspendable<void> {
    this.lock = yield* this.#attach(this.part.timeout);
  }

  createLock(timeout?: number): SharedLock {
    return this.#attach(timeout) as unknown as SharedLock;
  }

  *#attach(timeout?: number): Suspendable<SharedLock> {
    const {thread} = this;
    const {hasDropped} = thread;
    const {buffer} = this.#machine.memory;
    const onAbandoned = this.#onAbandoned.bind(this) as unknown as SharedLockOptions['onAbandoned'];
    thread.hasDropped = false;
    let lock: SharedLock;
    try {
      lock = yield* finish(
        this.#createLock(timeout, {onAbandoned, ...(buffer === undefined ? {} : {buffer})}),
      );
    } catch (error) {
      thread.hasDropped = hasDropped;
      throw error;
    }
    if (this.#machine.memory.buffer === undefined) {
      this.#machine.memory.share(lock.buffer);
      this.#checks.watch(lock);
    }
    this.isAttached = true;
    return lock;
  }

  *#onAbandoned({threadId}: {threadId: number}): Suspendable<void> {
    // Before the callback has done anything, too, the thread may die.
    yield* this.#machine.step();
    this.#checks.told(this, threadId);
    if (this.part.whenTold !== undefined) yield* finish<unknown>(this.part.whenTold(this));
  }

  step(): void {
    return this.#machine.step() as unknown as undefined;
  }

  *main(): Suspendable<void> {
    const ended = yield* finish(this.part.run(this));
    void ended.then(() => {
      this.isDone = true;
    });
  }

  /** Gets the lock once more, through a new object. */
  *probe(done: () => void): Suspendable<void> {
    let lock: SharedLock;
    try {
      lock = yield* this.#attach();
    } catch (error) {
      const isFull = (error as {code?: unknown}).code === 'ERR_LOCK_FULL';
      this.isRefused = isFull && this.#checks.isFull;
      if (this.isRefused) done();
      return;
    }
    const caller = this.ask();
    const served = yield* finish(
      lock.withLock(() => {
        caller.entered();
        caller.left();
      }),
    );
    void served.then(() => {
      caller.served();
      done();
    });
  }

  ask(goesFirst = false): Caller {
    const caller = new CallerInThread(
      this.#machine,
      this.#checks,
      this,
      `caller ${this.callers.length + 1} of thread ${this.thread.id}`,
      goesFirst,
    );
    this.callers.push(caller);
    return caller;
  }

  turn(): Promise<void> {
    return this.#machine.nextTurn() as unknown as Promise<void>;
  }

  sleep(milliseconds: number): Promise<void> {
    return this.#machine.sleep(milliseconds) as unknown as Promise<void>;
  }

  work(milliseconds: number): void {
    this.#machine.clock += milliseconds;
  }

  drop(): void {
    this.thread.hasDropped = true;
  }
}

function* finish<T>(result: T | Suspendable<T>): Suspendable<T> {
  return isGenerator(result) ? yield* result : result;
}

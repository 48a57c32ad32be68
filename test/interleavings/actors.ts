/** The parts of a scenario, and the callers that they announce, in one execution. */
import type {SharedLock, SharedLockOptions, SharedLocksByKey} from '../../src/types.js';
import type {Checks} from './checks.js';
import type {Machine} from './machine.js';
import type {Actor, Caller, Part} from './scenarios.js';
import {isGenerator, type Suspendable} from './suspendable.js';
import type {LogicalThread} from './thread.js';

/** What a scenario is of. */
type Made = SharedLock | SharedLocksByKey<string>;

/** As it is in the threads: code that may be suspended. */
export type Create = (
  timeout: number | undefined,
  options: SharedLockOptions,
) => Made | Suspendable<Made>;

/** A caller, whose steps are checked. */
export class CallerInThread implements Caller {
  readonly actor: ActorInThread;
  readonly name: string;
  readonly goesFirst: boolean;
  readonly key: string | undefined;
  /** In which turn of its event loop it asked. */
  readonly turn: number;
  state: 'waiting' | 'inside' | 'served' | 'refused' = 'waiting';
  readonly #machine: Machine;
  readonly #checks: Checks;

  constructor(
    machine: Machine,
    checks: Checks,
    actor: ActorInThread,
    name: string,
    goesFirst: boolean,
    key: string | undefined,
  ) {
    this.#machine = machine;
    this.#checks = checks;
    this.actor = actor;
    this.name = name;
    this.goesFirst = goesFirst;
    this.key = key;
    this.turn = actor.thread.turns;
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
    const {thread} = this.actor;
    const isDeadlock = code === 'ERR_LOCK_DEADLOCK' && this.#checks.isOwner(thread, this.key);
    // Only at once: who is in line waits until there is room.
    const isFull = code === 'ERR_LOCK_FULL' && this.#checks.isTight && thread.turns === this.turn;
    if (code !== 'ERR_LOCK_TIMEOUT' && message !== 'Aborted' && !isDeadlock && !isFull) throw error;
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
  /** What was made before the scenario began. */
  #made!: Made;
  readonly #machine: Machine;
  readonly #checks: Checks;
  readonly #create: Create;

  constructor(machine: Machine, checks: Checks, thread: LogicalThread, part: Part, create: Create) {
    this.#machine = machine;
    this.#checks = checks;
    this.thread = thread;
    this.part = part;
    this.#create = create;
  }

  // Code that may be suspended, called from code that does not know.

  *attach(): Suspendable<void> {
    this.#made = yield* this.create(this.part.timeout);
  }

  get lock(): SharedLock {
    return this.#made as SharedLock;
  }

  get locks(): SharedLocksByKey<string> {
    return this.#made as SharedLocksByKey<string>;
  }

  createLock(timeout?: number): SharedLock {
    return this.create(timeout) as unknown as SharedLock;
  }

  of(key: string): Actor {
    return new ActorForKey(this, key);
  }

  *create(timeout?: number): Suspendable<Made> {
    const {thread} = this;
    const {hasDropped} = thread;
    const {buffer} = this.#machine.memory;
    const onAbandoned = this.#onAbandoned.bind(this) as unknown as SharedLockOptions['onAbandoned'];
    thread.hasDropped = false;
    let made: Made;
    try {
      made = yield* finish(
        this.#create(timeout, {onAbandoned, ...(buffer === undefined ? {} : {buffer})}),
      );
    } catch (error) {
      thread.hasDropped = hasDropped;
      throw error;
    }
    if (this.#machine.memory.buffer === undefined) {
      this.#machine.memory.share(made.buffer);
      this.#checks.watch(made.buffer);
    }
    this.isAttached = true;
    return made;
  }

  *#onAbandoned({threadId, key}: {threadId: number; key?: string}): Suspendable<void> {
    // Before the callback has done anything, too, the thread may die.
    yield* this.#machine.step();
    this.#checks.told(this, threadId, key);
    const actor = key === undefined ? this : this.of(key);
    if (this.part.whenTold !== undefined) yield* finish<unknown>(this.part.whenTold(actor));
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

  /** Gets the lock, or that of a key, once more, through a new object. */
  *probe(key: string | undefined, done: () => void): Suspendable<void> {
    let lock: SharedLock;
    try {
      const made = yield* this.create();
      lock =
        key === undefined ? (made as SharedLock) : lockOf(made as SharedLocksByKey<string>, key);
    } catch (error) {
      const isFull = (error as {code?: unknown}).code === 'ERR_LOCK_FULL';
      this.isRefused = isFull && this.#checks.isFull;
      if (this.isRefused) done();
      return;
    }
    const caller = this.ask(false, key);
    const served = yield* finish(
      lock.withLock(() => {
        caller.entered();
        caller.left();
      }),
    );
    void served.then(
      () => {
        caller.served();
        done();
      },
      (error: unknown) => {
        caller.refused(error);
        done();
      },
    );
  }

  /** Runs some more of the scenario's code. */
  *runLast(run: Part['run'], done: () => void): Suspendable<void> {
    const ended = yield* finish(run(this));
    void ended.then(done);
  }

  ask(goesFirst = false, key?: string): Caller {
    const caller = new CallerInThread(
      this.#machine,
      this.#checks,
      this,
      `caller ${this.callers.length + 1} of thread ${this.thread.id}${key === undefined ? '' : ` for ${key}`}`,
      goesFirst,
      key,
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

/** The same thread, whose lock is that of a key. */
class ActorForKey implements Actor {
  readonly #actor: ActorInThread;
  readonly #key: string;

  constructor(actor: ActorInThread, key: string) {
    this.#actor = actor;
    this.#key = key;
  }

  get lock(): SharedLock {
    return lockOf(this.#actor.locks, this.#key);
  }

  get locks(): SharedLocksByKey<string> {
    return this.#actor.locks;
  }

  createLock(timeout?: number): SharedLock {
    return this.#createLock(timeout) as unknown as SharedLock;
  }

  *#createLock(timeout?: number): Suspendable<SharedLock> {
    const made = yield* this.#actor.create(timeout);
    return lockOf(made as SharedLocksByKey<string>, this.#key);
  }

  of(key: string): Actor {
    return this.#actor.of(key);
  }

  ask(goesFirst?: boolean): Caller {
    return this.#actor.ask(goesFirst, this.#key);
  }

  step(): void {
    return this.#actor.step();
  }

  turn(): Promise<void> {
    return this.#actor.turn();
  }

  sleep(milliseconds: number): Promise<void> {
    return this.#actor.sleep(milliseconds);
  }

  work(milliseconds: number): void {
    this.#actor.work(milliseconds);
  }

  drop(): void {
    this.#actor.drop();
  }
}

/** The lock of a key, as if it were a lock by itself. What it calls may be suspended. */
function lockOf(locks: SharedLocksByKey<string>, key: string): SharedLock {
  type Rest = [never, ...never[]];
  const lock = {
    buffer: locks.buffer,
    withLock: (...args: Rest) => locks.withLock(key, ...args),
    withLockSync: (...args: Rest) => locks.withLockSync(key, ...args),
    acquire: (options?: never) => locks.acquire(key, options),
    acquireSync: (options?: never) => locks.acquireSync(key, options),
    tryAcquire: () => locks.tryAcquire(key),
    acquireLock: () => locks.acquireLock(key),
    releaseLock: () => locks.releaseLock(key),
  };
  return lock as unknown as SharedLock;
}

function* finish<T>(result: T | Suspendable<T>): Suspendable<T> {
  return isGenerator(result) ? yield* result : result;
}

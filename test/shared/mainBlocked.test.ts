// Deaths while the main thread is blocked. The runtime answers nobody then, so that a thread's tokens are all there is to
// know it by: which of them are armed decides whether, and how soon, its lock is inherited.
import test, {type ExecutionContext} from 'ava';
import {createLock} from '../../src/shared/index.js';
import {LockMemory, TOKENS} from '../../src/shared/lockMemory.js';
import {actors, type Actor} from '../support/actors.js';

// The memory's layout, as src/shared/lockMemory.ts has it.
const INQUIRED_AT = 7;
const HEADER_CELLS = 32;
const SLOT_CELLS = 16;
const FIRST_TOKEN = 3;

/** Far more than anything here takes. */
const PATIENCE_MILLISECONDS = 30_000;

/** Far more than re-arming takes. */
const TURN_MILLISECONDS = 5_000;

/**
 * How many questions may be asked after the order to end, and before the lock is inherited. One is enough once the thread has
 * ended, and some are asked while it ends. Without a token that is due there are a dozen. Questions, not milliseconds, since
 * they are as many on a slow machine.
 */
const FEW_QUESTIONS = 5;

/** A lock that a worker holds and another waits for, as the main thread sees it, which is blocked. */
class Scene {
  readonly #memory: LockMemory;
  readonly #cells: Int32Array;
  /** The heir marks here that it has the lock. */
  readonly #mark: Int32Array;
  readonly #slot: number;
  #inquiredAt: number;
  #questions = 0;

  private constructor(buffer: SharedArrayBuffer, mark: Int32Array) {
    this.#memory = new LockMemory(buffer);
    this.#cells = new Int32Array(buffer);
    this.#mark = mark;
    this.#slot = this.#memory.ownerOf(this.#memory.read()).slot;
    this.#inquiredAt = Atomics.load(this.#cells, INQUIRED_AT);
  }

  /** Lets the heir wait for what the holder has by now. Nothing but the test may run in this thread afterwards. */
  static async begin(buffer: SharedArrayBuffer, heir: Actor): Promise<Scene> {
    await heir.tell({do: 'attach', buffer});
    const mark = new Int32Array(new SharedArrayBuffer(4));
    const scene = new Scene(buffer, mark);
    void heir.tell({do: 'acquire and mark', counter: mark.buffer});
    scene.blockUntil(() => scene.#memory.countWaiting() === 1);
    return scene;
  }

  /** How many questions after the holder were asked so far. */
  get questions(): number {
    this.#observe();
    return this.#questions;
  }

  get isInherited(): boolean {
    return Atomics.load(this.#mark, 0) === 1;
  }

  /** How many tokens of the holder are armed. */
  get armed(): number {
    const first = HEADER_CELLS + this.#slot * SLOT_CELLS + FIRST_TOKEN;
    return this.#cells.subarray(first, first + TOKENS).filter((token) => token > 0).length;
  }

  /** Blocks this thread. @returns whether the condition came to hold in time */
  blockUntil(condition: () => boolean, milliseconds = PATIENCE_MILLISECONDS): boolean {
    const end = performance.now() + milliseconds;
    while (!condition()) {
      if (performance.now() > end) return false;
      this.#observe();
      Atomics.wait(this.#mark, 0, Atomics.load(this.#mark, 0), 2);
    }
    return true;
  }

  blockFor(milliseconds: number): void {
    this.blockUntil(() => false, milliseconds);
  }

  /** How many questions are asked from now on until the lock is inherited. */
  blockUntilInherited(): number {
    const before = this.questions;
    return this.blockUntil(() => this.isInherited) ? this.questions - before : Infinity;
  }

  #observe(): void {
    const inquiredAt = Atomics.load(this.#cells, INQUIRED_AT);
    if (inquiredAt !== this.#inquiredAt) this.#questions++;
    this.#inquiredAt = inquiredAt;
  }
}

/** The holder does nothing, as in a computation, until the function that is returned is called. */
function standStill(holder: Actor, then: 'go on' | 'exit'): () => void {
  const until = new Int32Array(new SharedArrayBuffer(4));
  void holder.tell({do: 'stand still', until: until.buffer, then});
  return () => {
    Atomics.store(until, 0, 1);
    Atomics.notify(until, 0);
  };
}

function two(t: ExecutionContext): [Actor, Actor] {
  return actors(t, 2) as [Actor, Actor];
}

test.serial(
  'an idle holder that was asked after for two seconds and exits is recognised at the next question',
  async (t) => {
    const [holder, heir] = two(t);
    const {buffer} = createLock();
    await holder.tell({do: 'attach', buffer});
    await holder.tell({do: 'acquire'});
    const scene = await Scene.begin(buffer, heir);
    // If none was armed again, all that are due within six seconds would be spent by then.
    scene.blockFor(2_200);
    t.true(scene.questions >= 3);
    t.false(scene.isInherited);
    void holder.tell({do: 'exit'});
    const questions = scene.blockUntilInherited();
    t.log(`${questions} questions`);
    t.true(questions <= FEW_QUESTIONS, `${questions} questions`);
  },
);

test.serial(
  'an idle holder that was asked after for two seconds and is terminated by its parent, a worker, is recognised at the next question',
  async (t) => {
    const [parent, heir] = two(t);
    const {buffer} = createLock();
    await parent.tell({do: 'nest'});
    await parent.tell({do: 'relay', command: {do: 'attach', buffer}});
    await parent.tell({do: 'relay', command: {do: 'acquire'}});
    const scene = await Scene.begin(buffer, heir);
    scene.blockFor(2_200);
    t.true(scene.questions >= 3);
    t.false(scene.isInherited);
    void parent.tell({do: 'terminate nested'});
    const questions = scene.blockUntilInherited();
    t.log(`${questions} questions`);
    t.true(questions <= FEW_QUESTIONS, `${questions} questions`);
  },
);

test.serial(
  'a holder that computes, comes to itself and dies in its next computation has all its tokens for that',
  async (t) => {
    const [holder, heir] = two(t);
    const {buffer} = createLock();
    await holder.tell({do: 'attach', buffer});
    await holder.tell({do: 'acquire'});
    const scene = await Scene.begin(buffer, heir);
    const goOn = standStill(holder, 'go on');
    t.true(
      scene.blockUntil(() => scene.armed <= TOKENS - 3),
      'three tokens are spent',
    );
    goOn();
    scene.blockUntil(() => scene.armed === TOKENS, TURN_MILLISECONDS);
    t.is(scene.armed, TOKENS, 'all are armed again');
    const end = standStill(holder, 'exit');
    t.true(
      scene.blockUntil(() => scene.armed <= TOKENS - 2),
      'two tokens are spent',
    );
    // The third is due as well, the fourth long after.
    end();
    const questions = scene.blockUntilInherited();
    t.log(`${questions} questions`);
    t.true(questions <= FEW_QUESTIONS, `${questions} questions`);
  },
);

test.serial(
  'a holder that computes for four seconds and dies in the middle of that has tokens left',
  async (t) => {
    const [holder, heir] = two(t);
    const {buffer} = createLock();
    await holder.tell({do: 'attach', buffer});
    await holder.tell({do: 'acquire'});
    const end = standStill(holder, 'exit');
    const scene = await Scene.begin(buffer, heir);
    scene.blockFor(4_000);
    const spent = TOKENS - scene.armed;
    t.log(`${spent} tokens are spent`);
    // Three, and on a machine that lost more than two seconds a fourth.
    t.true(spent >= 2 && spent <= 4, `${spent} tokens are spent`);
    end();
    t.true(
      scene.blockUntil(() => scene.isInherited),
      'it is inherited',
    );
  },
);

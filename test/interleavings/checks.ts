/** What is checked in each execution, as things happen and at its end. */
import {readOwner} from '../../src/shared/memory/threads.js';
import {
  hasWaiters,
  isAbandoned,
  isFree,
  isHeld,
  isReserved,
  readWord,
} from '../../src/shared/memory/word.js';
import type {SharedLock} from '../../src/types.js';
import type {ActorInThread, CallerInThread} from './actors.js';
import type {Layout} from './layout.js';
import type {Machine} from './machine.js';
import type {Scenario} from './scenarios.js';
import {mix, type LogicalThread} from './thread.js';

/** How long a thread keeps the lock at most while another waits, once that has been seen. */
const TENURE_MILLISECONDS = 3;

/** The first thing that is wrong becomes the failure of the machine. */
export class Checks {
  readonly #machine: Machine;
  readonly #scenario: Scenario;
  readonly #actors: readonly ActorInThread[];
  readonly #layout: Layout;
  readonly #slots: number;
  #cells: Int32Array = new Int32Array();

  /** Who is inside a critical section. */
  #inside: CallerInThread | undefined;
  /** Since when one thread has had the lock in every section, while another waited all the time. */
  #tenure: {owner: LogicalThread; other: LogicalThread; end: number; overdue: number} | undefined;
  /** The threads that died as owners, and to whom that has been told. */
  readonly #abandoned = new Map<number, LogicalThread[]>();
  /** How many slots are lost: their threads died while freeing them, or without an armed token. */
  #lostSlots = 0;

  /** @param slots how many there are */
  constructor(
    machine: Machine,
    scenario: Scenario,
    actors: readonly ActorInThread[],
    layout: Layout,
    slots: number,
  ) {
    this.#machine = machine;
    this.#scenario = scenario;
    this.#actors = actors;
    this.#layout = layout;
    this.#slots = slots;
    machine.onDeath = (thread) => this.#died(thread);
    machine.onUnblock = (thread) => this.#unblocked(thread);
    machine.onQuiet = () => this.#quiet();
    machine.checksHash = () => this.#hash();
  }

  /** Tells which memory to check. */
  watch(lock: SharedLock): void {
    this.#cells = new Int32Array(lock.buffer);
  }

  /** Whether living threads, and dead ones whose death is still to be told, use all slots. */
  get isFull(): boolean {
    const isUntold = ({id}: LogicalThread) =>
      this.#abandoned.get(id)?.every(({state}) => state === 'dead') === true;
    const users = this.#actors.filter(
      ({isAttached, thread}) =>
        isAttached && (thread.state === 'dead' ? isUntold(thread) : !thread.hasDropped),
    );
    return users.length + this.#lostSlots >= this.#slots;
  }

  // What happens

  entered(caller: CallerInThread): void {
    const machine = this.#machine;
    machine.log?.(`${caller.name} enters`);
    const other = this.#inside;
    if (other !== undefined) machine.fail(`Two holders: ${other.name} and ${caller.name}.`);
    if (caller.state !== 'waiting') machine.fail(`${caller.name} enters, and is ${caller.state}.`);
    for (const [id, told] of this.#abandoned) {
      if (told.length === 0)
        machine.fail(`${caller.name} was not told that thread ${id} died as the owner.`);
    }
    const later = caller.actor.callers.slice(caller.actor.callers.indexOf(caller) + 1);
    for (const {name, state, goesFirst} of later) {
      if (goesFirst) continue;
      if (state === 'inside' || state === 'served')
        machine.fail(`${name} enters before ${caller.name}.`);
    }
    caller.state = 'inside';
    this.#inside = caller;
    this.#checkTenure(caller);
  }

  /** When a thread's tenure is over, it begins at most one section more before it hands on. */
  #checkTenure({actor, name}: CallerInThread): void {
    const machine = this.#machine;
    const owner = actor.thread;
    let tenure = this.#tenure;
    if (tenure?.owner !== owner || !this.#waitsAtRest(tenure.other)) {
      const other = machine.threads.find((each) => each !== owner && this.#waitsAtRest(each));
      // It ends so long after the first section's end.
      tenure = other && {owner, other, end: Infinity, overdue: 0};
    } else if (machine.clock > tenure.end) tenure.overdue++;
    this.#tenure = tenure;
    if (tenure !== undefined && tenure.overdue > 1) {
      machine.fail(`${name} enters, and thread ${tenure.other.id} is not given its turn.`);
    }
  }

  /**
   * Whether nothing keeps the thread from being given the lock: it is parked, its ticket stands,
   * and nobody is about to wake it.
   */
  #waitsAtRest(thread: LogicalThread): boolean {
    const machine = this.#machine;
    const {HEADER_CELLS, SLOT_CELLS, THREAD, TICKET, WAKE_UPS, IN_USE, STATE_BITS} = this.#layout;
    const mine = (thread.id << STATE_BITS) | IN_USE;
    const isAtRest = ({state, stack, tasks}: LogicalThread) =>
      state === 'alive' && stack === undefined && tasks.length === 0;
    if (!isAtRest(thread)) return false;
    // A thread may be suspended just where it clears WAITERS, and sets it again.
    if (machine.threads.some((each) => each !== machine.current && each.stack !== undefined))
      return false;
    for (let slot = HEADER_CELLS; slot < this.#cells.length; slot += SLOT_CELLS) {
      if (this.#cells[slot + THREAD] !== mine) continue;
      if (this.#cells[slot + TICKET] !== 0 && machine.memory.waits(slot + WAKE_UPS) > 0)
        return true;
    }
    return false;
  }

  left(caller: CallerInThread): void {
    this.#machine.log?.(`${caller.name} leaves`);
    if (this.#inside !== caller) this.#machine.fail(`${caller.name} leaves, and is not inside.`);
    this.#inside = undefined;
    const tenure = this.#tenure;
    if (tenure !== undefined)
      tenure.end = Math.min(tenure.end, this.#machine.clock + TENURE_MILLISECONDS);
  }

  told(actor: ActorInThread, id: number): void {
    this.#machine.log?.(`thread ${actor.thread.id} is told of thread ${id}`);
    const told = this.#abandoned.get(id);
    if (told === undefined) {
      this.#machine.fail(
        `Thread ${id} did not die as the owner, but thread ${actor.thread.id} is told so.`,
      );
      return;
    }
    if (told.some(({state}) => state !== 'dead'))
      this.#machine.fail(`Of thread ${id} is told again.`);
    if (this.#inside !== undefined) {
      this.#machine.fail(`Of thread ${id} is told while ${this.#inside.name} is inside.`);
    }
    told.push(actor.thread);
  }

  #died(thread: LogicalThread): void {
    this.#countLostSlots(thread);
    if (this.#inside?.actor.thread === thread) this.#inside = undefined;
    if (this.isOwner(thread)) this.#abandoned.set(thread.id, []);
  }

  isOwner({id}: LogicalThread): boolean {
    const word = readWord(this.#cells);
    return isHeld(word) && readOwner(this.#cells, word).threadId === id;
  }

  #waiting(): CallerInThread[] {
    return this.#actors
      .filter(({thread}) => thread.state === 'alive')
      .flatMap(({callers}) => callers.filter(({state}) => state === 'waiting'));
  }

  #unblocked(thread: LogicalThread): void {
    if (this.isOwner(thread)) return;
    const stuck = this.#waiting().filter(({actor}) => actor.thread !== thread);
    if (stuck.length > 0)
      this.#machine.fail(`${names(stuck)} waited while thread ${thread.id} was busy.`);
  }

  /** Where nothing but time can change anything, and no death or blocked thread is the reason. */
  #quiet(): void {
    if (this.#scenario.isSilent) this.#checkTokens();
    if (this.#machine.isDegraded) return;
    const waiting = this.#waiting();
    if (waiting.length > 0)
      this.#machine.fail(`A lost wake-up: ${names(waiting)} wait. ${this.#describe()}`);
  }

  #describe(): string {
    const word = readWord(this.#cells);
    const state = isFree(word) ? 'free' : isReserved(word) ? 'reserved' : 'held';
    return `The word is ${state}${hasWaiters(word) ? ', WAITERS' : ''}${isAbandoned(word) ? ', ABANDONED' : ''}.`;
  }

  // The end

  /** When nothing is left to do, and no time passes any more. */
  atEnd(): void {
    const machine = this.#machine;
    this.#checkSlots();
    const waiting = this.#waiting();
    if (waiting.length > 0) machine.fail(`${names(waiting)} wait in the end. ${this.#describe()}`);
    for (const {thread, isDone} of this.#actors) {
      if (!isDone && thread.state === 'alive') machine.fail(`Thread ${thread.id} is not done.`);
    }
    const word = readWord(this.#cells);
    if (!machine.isDegraded && !isFree(word)) machine.fail(`The word is left: ${this.#describe()}`);
  }

  /** After each thread has asked once more. */
  afterProbes(probed: readonly ActorInThread[]): void {
    const left = readWord(this.#cells);
    if (
      probed.some(({isRefused}) => !isRefused) &&
      (!isFree(left) || hasWaiters(left) || isAbandoned(left))
    ) {
      this.#machine.fail(
        `Another acquisition leaves the word as it should not be: ${this.#describe()}`,
      );
    }
  }

  notProbed({thread}: ActorInThread): void {
    this.#machine.fail(`Thread ${thread.id} cannot get the lock in the end. ${this.#describe()}`);
  }

  // The slots

  /** No living thread is taken for dead, or has lost its slot to another. */
  #checkSlots(): void {
    const {HEADER_CELLS, SLOT_CELLS, THREAD, IN_USE, PREPARING, STATE_BITS} = this.#layout;
    for (let slot = HEADER_CELLS; slot < this.#cells.length; slot += SLOT_CELLS) {
      const thread = this.#cells[slot + THREAD] ?? 0;
      const id = thread >> STATE_BITS;
      const state = thread & ((1 << STATE_BITS) - 1);
      if (thread === 0 || state === IN_USE || state === PREPARING) continue;
      const isDead = this.#actors.some(
        (actor) => actor.thread.id === id && actor.thread.state === 'dead',
      );
      if (!isDead) this.#machine.fail(`Thread ${id} is taken for dead.`);
    }
    const threads = this.#cells.filter(
      (_, cell) => cell >= HEADER_CELLS && (cell - HEADER_CELLS) % SLOT_CELLS === THREAD,
    );
    for (const {isAttached, thread} of this.#actors) {
      if (!isAttached || thread.hasDropped || thread.state !== 'alive') continue;
      const mine = (thread.id << STATE_BITS) | IN_USE;
      if (!threads.includes(mine)) this.#machine.fail(`Thread ${thread.id} has lost its slot.`);
    }
  }

  /** Who is at rest can be asked as often as ever. */
  #checkTokens(): void {
    const {HEADER_CELLS, SLOT_CELLS, THREAD, FIRST_TOKEN, TOKENS, STATE_BITS} = this.#layout;
    for (const {isAttached, thread} of this.#actors) {
      if (!isAttached || thread.state !== 'alive') continue;
      for (let slot = HEADER_CELLS; slot < this.#cells.length; slot += SLOT_CELLS) {
        if ((this.#cells[slot + THREAD] ?? 0) >> STATE_BITS !== thread.id) continue;
        const tokens = this.#cells.subarray(slot + FIRST_TOKEN, slot + FIRST_TOKEN + TOKENS);
        const spent = tokens.indexOf(0);
        if (spent >= 0)
          this.#machine.fail(`Thread ${thread.id} is at rest, and token ${spent} is not armed.`);
      }
    }
  }

  #countLostSlots({id}: LogicalThread): void {
    const {HEADER_CELLS, SLOT_CELLS, THREAD, FIRST_TOKEN, TOKENS, IN_USE, STATE_BITS} =
      this.#layout;
    for (let slot = HEADER_CELLS; slot < this.#cells.length; slot += SLOT_CELLS) {
      const thread = this.#cells[slot + THREAD];
      // Those who look for a slot leave the last token to those who wait for the lock.
      const tokens = this.#cells.subarray(slot + FIRST_TOKEN, slot + FIRST_TOKEN + TOKENS - 1);
      const isUnknown =
        thread === ((id << STATE_BITS) | IN_USE) && !tokens.some((token) => token > 0);
      if (!isUnknown) continue;
      this.#lostSlots++;
      if (this.#scenario.losesNoSlot) this.#machine.fail(`The slot of thread ${id} is lost.`);
    }
  }

  // The state, to recognise it

  #hash(): number {
    let hash = this.#inside === undefined ? 0 : this.#actors.indexOf(this.#inside.actor) + 1;
    for (const [id, told] of this.#abandoned) hash = mix(hash, id * 16 + told.length);
    if (this.#tenure !== undefined) {
      const {owner, other, end, overdue} = this.#tenure;
      hash = mix(hash, owner.index * 64 + other.index * 8 + overdue);
      hash = mix(hash, Math.min(end, 1e9));
    }
    return hash;
  }
}

const names = (callers: readonly CallerInThread[]) => callers.map(({name}) => name).join(', ');

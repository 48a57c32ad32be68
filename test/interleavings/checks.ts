/** What is checked in each execution, as things happen and at its end. */
import type {Entry, Slot} from '../../src/shared/memory/layout.js';
import {
  hasWaiters,
  isAbandoned,
  isFree,
  isHeld,
  isReserved,
  namedSlot,
  readWord,
  type Word,
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
  #entry!: Entry;

  /** Who is inside a critical section. */
  #inside: CallerInThread | undefined;
  /** Since when one thread has had the lock in every section, while another waited all the time. */
  #tenure: {owner: LogicalThread; other: LogicalThread; end: number; overdue: number} | undefined;
  /** The threads that died as owners, and to whom that has been told. */
  readonly #abandoned = new Map<number, LogicalThread[]>();
  /** How many slots are lost: their threads died while freeing them, or without an armed token. */
  #lostSlots = 0;

  constructor(
    machine: Machine,
    scenario: Scenario,
    actors: readonly ActorInThread[],
    layout: Layout,
  ) {
    this.#machine = machine;
    this.#scenario = scenario;
    this.#actors = actors;
    this.#layout = layout;
    machine.onDeath = (thread) => this.#died(thread);
    machine.onUnblock = (thread) => this.#unblocked(thread);
    machine.onQuiet = () => this.#quiet();
    machine.checksHash = () => this.#hash();
  }

  /** Tells which memory to check. */
  watch(lock: SharedLock): void {
    this.#entry = this.#layout.entryAt(new Int32Array(lock.buffer), 0);
  }

  /** Whether living threads, and dead ones whose death is still to be told, use all slots. */
  get isFull(): boolean {
    const isUntold = ({id}: LogicalThread) =>
      this.#abandoned.get(id)?.every(({state}) => state === 'dead') === true;
    const users = this.#actors.filter(
      ({isAttached, thread}) =>
        isAttached && (thread.state === 'dead' ? isUntold(thread) : !thread.hasDropped),
    );
    return users.length + this.#lostSlots >= this.#layout.SLOTS;
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
   * Whether nothing keeps the thread from being given the lock: it is parked, it shows that it
   * waits, and nobody is about to wake it.
   */
  #waitsAtRest(thread: LogicalThread): boolean {
    const machine = this.#machine;
    const {CALLS, IN_USE, WAITING, slotCell} = this.#layout;
    const isAtRest = ({state, stack, tasks}: LogicalThread) =>
      state === 'alive' && stack === undefined && tasks.length === 0;
    if (!isAtRest(thread)) return false;
    // A thread may be suspended just where it clears WAITERS, and sets it again.
    if (machine.threads.some((each) => each !== machine.current && each.stack !== undefined))
      return false;
    const {cells, word} = this.#entry;
    // There are fewer slots than bits in a cell.
    const waiting = cells[word + WAITING] as number;
    return this.#slots().some(
      ({slot, id, state}) =>
        id === thread.id &&
        state === IN_USE &&
        (waiting & (1 << slot)) !== 0 &&
        machine.memory.waits(slotCell(slot, CALLS)) > 0,
    );
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
    const word = readWord(this.#entry);
    return isHeld(word) && this.#idOfNamed(word) === id;
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
    const word = readWord(this.#entry);
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
    const word = readWord(this.#entry);
    if (!machine.isDegraded && !isFree(word)) machine.fail(`The word is left: ${this.#describe()}`);
  }

  /** After each thread has asked once more. */
  afterProbes(probed: readonly ActorInThread[]): void {
    const left = readWord(this.#entry);
    if (
      probed.some(({isRefused}) => !isRefused) &&
      (!isFree(left) || hasWaiters(left) || isAbandoned(left))
    ) {
      this.#machine.fail(
        `Another acquisition leaves the word as it should not be: ${this.#describe()}`,
      );
    }
    if (!isAbandoned(left)) this.#checkDeaths();
  }

  /** Nothing is left to be told. There are fewer slots than bits in a cell. */
  #checkDeaths(): void {
    const {DEATHS, SLOTS} = this.#layout;
    const {cells, word} = this.#entry;
    const untold = (cells[word + DEATHS] as number) & ((1 << SLOTS) - 1);
    if (untold !== 0) this.#machine.fail(`In the end a death is untold: ${untold.toString(2)}.`);
  }

  notProbed({thread}: ActorInThread): void {
    this.#machine.fail(`Thread ${thread.id} cannot get the lock in the end. ${this.#describe()}`);
  }

  // The slots

  /** Each slot, and what its cells say. */
  #slots() {
    const {SLOTS, THREAD, TOKENS, SPARE_TOKEN, LAST_TOKEN, STATE_BITS, slotCell} = this.#layout;
    const {cells} = this.#entry;
    return Array.from({length: SLOTS}, (_, number) => {
      const slot = number as Slot;
      const thread = cells[slotCell(slot, THREAD)] as number;
      return {
        slot,
        id: thread >> STATE_BITS,
        state: thread & ((1 << STATE_BITS) - 1),
        tokens: cells[slotCell(slot, TOKENS)] as number,
        spareToken: cells[slotCell(slot, SPARE_TOKEN)] as number,
        lastToken: cells[slotCell(slot, LAST_TOKEN)] as number,
      };
    });
  }

  #idOfNamed(word: Word): number | undefined {
    return this.#slots()[namedSlot(word)]?.id;
  }

  /** No living thread is taken for dead, or has lost its slot to another. */
  #checkSlots(): void {
    const {IN_USE, PREPARING} = this.#layout;
    const slots = this.#slots();
    for (const {id, state} of slots) {
      if (id === 0 || state === IN_USE || state === PREPARING) continue;
      const isDead = this.#actors.some(
        (actor) => actor.thread.id === id && actor.thread.state === 'dead',
      );
      if (!isDead) this.#machine.fail(`Thread ${id} is taken for dead.`);
    }
    for (const {isAttached, thread} of this.#actors) {
      if (!isAttached || thread.hasDropped || thread.state !== 'alive') continue;
      if (!slots.some(({id, state}) => id === thread.id && state === IN_USE))
        this.#machine.fail(`Thread ${thread.id} has lost its slot.`);
    }
  }

  /** Who is at rest can be asked as often as ever. */
  #checkTokens(): void {
    for (const {isAttached, thread} of this.#actors) {
      if (!isAttached || thread.state !== 'alive') continue;
      for (const {id, tokens, spareToken, lastToken} of this.#slots()) {
        if (id !== thread.id) continue;
        const {FRESH, ORDINARY_TOKENS} = this.#layout;
        // (One that is negative is being spent.)
        const isFull = tokens < 0 || [FRESH, ORDINARY_TOKENS].includes(tokens & FRESH);
        if (!isFull || spareToken === 0 || lastToken === 0)
          this.#machine.fail(`Thread ${id} is at rest, and not all tokens are armed.`);
      }
    }
  }

  #countLostSlots(thread: LogicalThread): void {
    const isInUse = ({id, state}: {id: number; state: number}) =>
      id === thread.id && state === this.#layout.IN_USE;
    for (const {tokens, spareToken} of this.#slots().filter(isInUse)) {
      if (tokens > 0 || spareToken > 0) continue;
      this.#lostSlots++;
      if (this.#scenario.losesNoSlot)
        this.#machine.fail(`The slot of thread ${thread.id} is lost.`);
    }
  }

  /** Whether a token tells if the thread dies now, without a word of the runtime. */
  hasToken(thread: LogicalThread): boolean {
    return this.#slots().every(
      ({id, tokens, spareToken}) => id !== thread.id || tokens > 0 || spareToken > 0,
    );
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

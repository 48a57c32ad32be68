/** What is checked in each execution, as things happen and at its end. */
import type {Cells} from '../../src/shared/memory/layout.js';
import {hasWaiters, isAbandoned, isFree, readWord} from '../../src/shared/memory/word.js';
import type {ActorInThread, CallerInThread} from './actors.js';
import {entriesOf, readEntries, readHash, readIndex, readSlots, type Layout} from './layout.js';
import {LockChecks, describe, isOwnerOf} from './lockChecks.js';
import type {Machine} from './machine.js';
import type {Scenario} from './scenarios.js';
import {mix, type LogicalThread} from './thread.js';

/** The first thing that is wrong becomes the failure of the machine. */
export class Checks {
  readonly #machine: Machine;
  readonly #scenario: Scenario;
  readonly #actors: readonly ActorInThread[];
  readonly #layout: Layout;
  #cells!: Cells;

  /**
   * Whether the memory may have no entry for a key: those who are inserting one, or have died in
   * the middle of that, may have all that are not in use.
   */
  readonly isTight: boolean;

  /** By key. Where there are none, there is one lock. */
  readonly #locks = new Map<string | undefined, LockChecks>();
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
    const {maxKeys, keys = [], keysAtOnce = keys.length, threads} = scenario;
    this.isTight = maxKeys !== undefined && maxKeys < keysAtOnce + threads.length - 1;
    const places = maxKeys === undefined ? [undefined] : keys;
    for (const key of places) {
      const findEntry = () =>
        key === undefined ? layout.entryAt(this.#cells, 0) : entriesOf(layout, this.#cells, key)[0];
      this.#locks.set(key, new LockChecks(machine, layout, key, findEntry, this.isTight));
    }
    machine.onDeath = (thread) => this.#died(thread);
    machine.onUnblock = (thread) => this.#unblocked(thread);
    machine.onQuiet = () => this.#quiet();
    machine.checksHash = () => this.#hash();
  }

  /** Tells which memory to check. */
  watch(buffer: SharedArrayBuffer): void {
    this.#cells = new Int32Array(buffer);
  }

  get keys(): readonly (string | undefined)[] {
    return [...this.#locks.keys()];
  }

  #lock(key: string | undefined): LockChecks {
    const lock = this.#locks.get(key);
    if (lock === undefined) throw new Error(`The scenario does not say that it uses key ${key}.`);
    return lock;
  }

  /** Whether living threads, and dead ones whose death is still to be told, use all slots. */
  get isFull(): boolean {
    const isUntold = (thread: LogicalThread) =>
      [...this.#locks.values()].some((lock) => lock.isUntold(thread));
    const users = this.#actors.filter(
      ({isAttached, thread}) =>
        isAttached && (thread.state === 'dead' ? isUntold(thread) : !thread.hasDropped),
    );
    return users.length + this.#lostSlots >= this.#layout.SLOTS;
  }

  // What happens

  entered(caller: CallerInThread): void {
    this.#checkIndex();
    this.#lock(caller.key).entered(caller);
  }

  left(caller: CallerInThread): void {
    this.#lock(caller.key).left(caller);
  }

  told(actor: ActorInThread, id: number, key?: string): void {
    this.#lock(key).told(actor, id);
  }

  #died(thread: LogicalThread): void {
    this.#countLostSlots(thread);
    for (const lock of this.#locks.values()) lock.died(thread);
  }

  isOwner(thread: LogicalThread, key?: string): boolean {
    return this.#lock(key).isOwner(thread);
  }

  #waiting(): CallerInThread[] {
    return this.#actors
      .filter(({thread}) => thread.state === 'alive')
      .flatMap(({callers}) => callers.filter(({state}) => state === 'waiting'));
  }

  #unblocked(thread: LogicalThread): void {
    const isOwner = readEntries(this.#layout, this.#cells).some((entry) =>
      isOwnerOf(this.#layout, entry, thread),
    );
    if (isOwner) return;
    const stuck = this.#waiting().filter(({actor}) => actor.thread !== thread);
    if (stuck.length > 0 && !this.#hasRetry())
      this.#machine.fail(`${names(stuck)} waited while thread ${thread.id} was busy.`);
  }

  /** Whether a line waits for room in the memory, and so maybe those behind it, too. */
  #hasRetry(): boolean {
    return this.#machine.threads.some(({timers}) => timers.some(({kind}) => kind === 'retry'));
  }

  /** Where nothing but time can change anything, and no death or blocked thread is the reason. */
  #quiet(): void {
    if (this.#scenario.isSilent) this.#checkTokens();
    if (this.#machine.isDegraded || this.#hasRetry()) return;
    // Nobody waits for the holder of another key.
    const waiting = this.#waiting().filter(({key}) => !this.#lock(key).isInside);
    if (waiting.length > 0) this.#machine.fail(`A lost wake-up: ${this.#describe(waiting)}`);
  }

  #describe(waiting: readonly CallerInThread[]): string {
    const locks = new Set(waiting.map(({key}) => this.#lock(key)));
    return `${names(waiting)} wait. ${[...locks].map((lock) => lock.describe()).join(' ')}`;
  }

  // The end

  /** When nothing is left to do, and no time passes any more. */
  atEnd(): void {
    const machine = this.#machine;
    this.#checkSlots();
    const waiting = this.#waiting();
    if (waiting.length > 0) machine.fail(`In the end ${this.#describe(waiting)}`);
    for (const {thread, isDone} of this.#actors) {
      if (!isDone && thread.state === 'alive') machine.fail(`Thread ${thread.id} is not done.`);
    }
    if (machine.isDegraded) return;
    for (const entry of readEntries(this.#layout, this.#cells)) {
      if (!isFree(readWord(entry))) machine.fail(`The word is left: ${describe(entry)}`);
    }
  }

  /** After each thread has asked once more, and, for locks by key, each entry was used once more. */
  afterProbes(probed: readonly ActorInThread[]): void {
    const isUsed = probed.some(({isRefused}) => !isRefused);
    for (const entry of readEntries(this.#layout, this.#cells)) {
      const left = readWord(entry);
      if (isUsed && (!isFree(left) || hasWaiters(left) || isAbandoned(left))) {
        this.#machine.fail(
          `Another acquisition leaves the word as it should not be: ${describe(entry)}`,
        );
      }
      if (isAbandoned(left)) continue;
      // Nothing is left to be told. There are fewer slots than bits in a cell.
      const {DEATHS, SLOTS} = this.#layout;
      const untold = (entry.cells[entry.word + DEATHS] as number) & ((1 << SLOTS) - 1);
      if (untold !== 0) this.#machine.fail(`In the end a death is untold: ${untold.toString(2)}.`);
    }
    this.#checkIndex();
    const isClean = readIndex(this.#layout, this.#cells).every(({isMember}) => isMember);
    if (isUsed && !isClean) this.#machine.fail('In the end a cell of the index is tentative.');
  }

  notDone({id}: LogicalThread): void {
    const locks = [...this.#locks.values()].map((lock) => lock.describe());
    this.#machine.fail(`Thread ${id} cannot get the lock in the end. ${locks.join(' ')}`);
  }

  /** No key has two entries, and no entry is that of two cells. */
  #checkIndex(): void {
    if (this.#scenario.maxKeys === undefined) return;
    const members = readIndex(this.#layout, this.#cells).filter(({isMember}) => isMember);
    const hashes = new Set(members.map(({entry}) => readHash(this.#layout, entry)));
    const numbers = new Set(members.map(({entry}) => entry.number));
    if (numbers.size < members.length) this.#machine.fail('Two cells name the same entry.');
    else if (hashes.size < members.length) this.#machine.fail('Two cells are of the same key.');
  }

  // The slots

  #slots() {
    return readSlots(this.#layout, this.#cells);
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
    let hash = 0;
    for (const lock of this.#locks.values()) hash = mix(hash, lock.hash());
    return hash;
  }
}

const names = (callers: readonly CallerInThread[]) => callers.map(({name}) => name).join(', ');

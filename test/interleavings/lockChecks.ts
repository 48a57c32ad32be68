/** What is checked of one lock, or of the lock of one key. */
import type {Entry} from '../../src/shared/memory/layout.js';
import {
  hasWaiters,
  isAbandoned,
  isFree,
  isHeld,
  isReserved,
  namedSlot,
  readWord,
} from '../../src/shared/memory/word.js';
import type {ActorInThread, CallerInThread} from './actors.js';
import {readSlots, type Layout} from './layout.js';
import type {Machine} from './machine.js';
import {mix, type LogicalThread} from './thread.js';

/** How long a thread keeps the lock at most while another waits, once that has been seen. */
const TENURE_MILLISECONDS = 3;

/** A thread that died, and to whom that has been told. */
interface Death {
  readonly told: LogicalThread[];
  /** Whether nobody may have the lock before somebody is told. */
  readonly isToBeTold: boolean;
}

export class LockChecks {
  readonly key: string | undefined;
  readonly #machine: Machine;
  readonly #layout: Layout;
  /** Where the lock is. That of a key is nowhere while nobody needs it. */
  readonly #findEntry: () => Entry | undefined;
  /** Whether the death of a thread that had a caller inside may be forgotten. */
  readonly #mayForget: boolean;

  /** Who is inside a critical section. */
  #inside: CallerInThread | undefined;
  /** Since when one thread has had the lock in every section, while another waited all the time. */
  #tenure: {owner: LogicalThread; other: LogicalThread; end: number; overdue: number} | undefined;
  /** Of the threads that died as owners, by their ids. */
  readonly #deaths = new Map<number, Death>();

  constructor(
    machine: Machine,
    layout: Layout,
    key: string | undefined,
    findEntry: () => Entry | undefined,
    mayForget: boolean,
  ) {
    this.#machine = machine;
    this.#layout = layout;
    this.key = key;
    this.#findEntry = findEntry;
    this.#mayForget = mayForget;
  }

  #fail(message: string): void {
    this.#machine.fail(this.key === undefined ? message : `${message} (Key ${this.key}.)`);
  }

  /** Whether a living thread is in the middle of a section. */
  get isInside(): boolean {
    return this.#inside !== undefined;
  }

  /** Whether somebody living is still to be told of the thread's death. */
  isUntold({id}: LogicalThread): boolean {
    return this.#deaths.get(id)?.told.every(({state}) => state === 'dead') === true;
  }

  // What happens

  entered(caller: CallerInThread): void {
    const machine = this.#machine;
    machine.log?.(`${caller.name} enters`);
    const other = this.#inside;
    if (other !== undefined) this.#fail(`Two holders: ${other.name} and ${caller.name}.`);
    if (caller.state !== 'waiting') this.#fail(`${caller.name} enters, and is ${caller.state}.`);
    if (!this.isOwner(caller.actor.thread))
      this.#fail(`${caller.name} enters, and its thread is not the owner.`);
    for (const [id, {told, isToBeTold}] of this.#deaths) {
      if (isToBeTold && told.length === 0)
        this.#fail(`${caller.name} was not told that thread ${id} died as the owner.`);
    }
    const {callers} = caller.actor;
    for (const {name, state, goesFirst, key} of callers.slice(callers.indexOf(caller) + 1)) {
      if (goesFirst || key !== this.key) continue;
      if (state === 'inside' || state === 'served')
        this.#fail(`${name} enters before ${caller.name}.`);
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
      this.#fail(`${name} enters, and thread ${tenure.other.id} is not given its turn.`);
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
    const entry = this.#findEntry();
    if (entry === undefined) return false;
    const {cells, word} = entry;
    // There are fewer slots than bits in a cell.
    const waiting = cells[word + WAITING] as number;
    return readSlots(this.#layout, cells).some(
      ({slot, id, state}) =>
        id === thread.id &&
        state === IN_USE &&
        (waiting & (1 << slot)) !== 0 &&
        machine.memory.waits(slotCell(slot, CALLS)) > 0,
    );
  }

  left(caller: CallerInThread): void {
    this.#machine.log?.(`${caller.name} leaves`);
    if (this.#inside !== caller) this.#fail(`${caller.name} leaves, and is not inside.`);
    this.#inside = undefined;
    const tenure = this.#tenure;
    if (tenure !== undefined)
      tenure.end = Math.min(tenure.end, this.#machine.clock + TENURE_MILLISECONDS);
  }

  told({thread}: ActorInThread, id: number): void {
    this.#machine.log?.(`thread ${thread.id} is told of thread ${id}`);
    const told = this.#deaths.get(id)?.told;
    if (told === undefined) {
      this.#fail(`Thread ${id} did not die as the owner, but thread ${thread.id} is told so.`);
      return;
    }
    if (told.some(({state}) => state !== 'dead')) this.#fail(`Of thread ${id} is told again.`);
    if (this.#inside !== undefined)
      this.#fail(`Of thread ${id} is told while ${this.#inside.name} is inside.`);
    told.push(thread);
  }

  died(thread: LogicalThread): void {
    const wasInside = this.#inside?.actor.thread === thread;
    if (wasInside) this.#inside = undefined;
    if (!wasInside && !this.isOwner(thread)) return;
    // A thread may own an entry for another key's sake, and then nobody needs to be told.
    const isToBeTold = this.key === undefined || (wasInside && !this.#mayForget);
    this.#deaths.set(thread.id, {told: [], isToBeTold});
  }

  isOwner(thread: LogicalThread): boolean {
    const entry = this.#findEntry();
    return entry !== undefined && isOwnerOf(this.#layout, entry, thread);
  }

  describe(): string {
    const entry = this.#findEntry();
    return entry === undefined ? `No entry has the key ${this.key}.` : describe(entry);
  }

  /** Of its state, to recognise it. */
  hash(): number {
    const {threads} = this.#machine;
    let hash = this.#inside === undefined ? 0 : threads.indexOf(this.#inside.actor.thread) + 1;
    for (const [id, {told, isToBeTold}] of this.#deaths)
      hash = mix(hash, id * 32 + told.length * 2 + Number(isToBeTold));
    if (this.#tenure !== undefined) {
      const {owner, other, end, overdue} = this.#tenure;
      hash = mix(hash, owner.index * 64 + other.index * 8 + overdue);
      hash = mix(hash, Math.min(end, 1e9));
    }
    return hash;
  }
}

export function isOwnerOf(layout: Layout, entry: Entry, {id}: LogicalThread): boolean {
  const word = readWord(entry);
  return isHeld(word) && readSlots(layout, entry.cells)[namedSlot(word)]?.id === id;
}

export function describe(entry: Entry): string {
  const word = readWord(entry);
  const state = isFree(word) ? 'free' : isReserved(word) ? 'reserved' : 'held';
  return `The word is ${state}${hasWaiters(word) ? ', WAITERS' : ''}${isAbandoned(word) ? ', ABANDONED' : ''}.`;
}

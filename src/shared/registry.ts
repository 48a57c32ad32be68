/**
 * Finds the line of this thread for a lock. There is one line for each lock, whichever lock objects
 * and copies of this package use it. Lines hang below the thread's membership in the lock's memory.
 * (Each realm of a thread has its own.)
 *
 * Copies that share a line call each other's methods by the names in `../line/protocol.ts`. So the
 * registry's own name contains those names, and the version of their meaning. Copies that differ in
 * either do not find each other's registry. Each of them then has its own line and slot, like a
 * different thread.
 */
import {fullError} from '../errors.js';
import {outside} from '../intrinsics.js';
import {CohortLine} from '../line/cohortLine.js';
import {PROTOCOL, type BlockingLine} from '../line/protocol.js';
import {SharedContender} from './contender.js';
import {deref} from './intrinsics.js';
import {hasEnded} from './liveness.js';
import {KeyLines} from './keyLines.js';
import {Membership} from './membership.js';
import {
  SLOTS,
  createKeysMemory,
  createLockMemory,
  entryAt,
  isForKeys,
  memoryId,
  type Cells,
  type MemoryId,
  type Slot,
} from './memory/layout.js';
import {attach, detach} from './memory/slots.js';
import {isInUseBy, numberThread} from './memory/threads.js';
import {sharedNow} from './runtime/clocks.js';
import {runtime} from './runtime/current.js';
import {randomSeed} from './runtime/random.js';

/** Raise this number whenever a member of the protocol comes to mean something else. */
const PROTOCOL_VERSION = 7;

const NAME = Symbol.for(
  `@databases/lock/shared: ${PROTOCOL_VERSION} ${Object.keys(PROTOCOL).join(' ')}`,
);

type Lines = BlockingLine | KeyLines;
type MembershipsById = Map<string, WeakRef<Pick<Membership<Lines>, 'lines'>>>;

interface Registry {
  /**
   * The memberships, by the id in the memory. A buffer that arrives by message is a new object
   * every time.
   */
  readonly byId: MembershipsById;
  /** Part of the ids of locks made here. No other registry has the same. */
  readonly realm: readonly [number, number];
  /** How many locks were made here. */
  made: number;
}

function findRegistry(): Registry {
  const place = globalThis as {[NAME]?: Registry | undefined};
  return (place[NAME] ??= {byId: new Map(), realm: randomSeed(), made: 0});
}

/** What is left of a membership once the last lock object is gone. */
interface Remains {
  /** Kept rather than looked up, because a test runner may have emptied `globalThis` by then. */
  readonly byId: MembershipsById;
  readonly membership: WeakRef<Membership>;
  readonly cells: Cells;
  readonly slot: Slot;
  readonly threadId: number;
}

const collected = new FinalizationRegistry<Remains>(({byId, membership, cells, slot, threadId}) => {
  const id = memoryId(cells);
  // By now the thread may have another membership in the same memory.
  if (byId.get(id) === membership) byId.delete(id);
  detach(cells, slot, threadId);
});

function nextId(): MemoryId {
  const registry = findRegistry();
  return [...registry.realm, ++registry.made];
}

/** The memory of a new lock. */
export function createLockBuffer(): SharedArrayBuffer {
  return createLockMemory(nextId());
}

/** The memory of new locks by key. */
export function createKeysBuffer(maxKeys: number): SharedArrayBuffer {
  return createKeysMemory(nextId(), maxKeys, randomSeed());
}

/**
 * Returns this thread's line for the lock in `buffer`.
 *
 * @throws `LockError` (`ERR_LOCK_FULL`) if too many threads use the lock.
 */
export function findOrCreateLine(buffer: SharedArrayBuffer): BlockingLine {
  return findOrCreateLines(buffer) as BlockingLine;
}

/** The same for the locks by key in `buffer`. */
export function findOrCreateKeyLines(buffer: SharedArrayBuffer): KeyLines {
  return findOrCreateLines(buffer) as KeyLines;
}

function findOrCreateLines(buffer: SharedArrayBuffer): Lines {
  const {byId} = findRegistry();
  const cells = new Int32Array(buffer);
  const existing = byId.get(memoryId(cells));
  return ((existing && deref(existing)) ?? outside(() => join(cells, byId))).lines;
}

function join(cells: Cells, byId: MembershipsById): Membership<Lines> {
  // First, because another thread may probe this one as soon as it finds it in a slot.
  runtime.becomeProbeable();
  const threadId = runtime.threadId ?? numberThread(cells);
  const attachment = attach(cells, threadId, sharedNow(), (thread) => {
    void hasEnded(cells, thread, threadId, () => isInUseBy(cells, thread));
  });
  if (attachment === undefined) {
    throw fullError(`Too many threads: at most ${SLOTS} can use a lock at a time.`);
  }
  const membership = new Membership<Lines>(cells, attachment, (made) =>
    isForKeys(cells)
      ? new KeyLines(made)
      : new CohortLine((onWon) => new SharedContender(entryAt(cells, 0), made, onWon)),
  );
  const {slot} = attachment;
  const weak = new WeakRef(membership);
  byId.set(memoryId(cells), weak);
  collected.register(membership, {byId, membership: weak, cells, slot, threadId});
  return membership;
}

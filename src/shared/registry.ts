/**
 * The lines of this thread: one for each lock, whichever lock objects and copies of this package
 * use it. They hang below the thread's membership in the lock's memory. (Each realm of a thread has
 * its own.)
 *
 * Copies that share a line call each other's methods by the names in `../line/protocol.ts`. So the
 * name of the registry has those names, and the version of what they mean. Copies that differ in
 * either do not find each other's registry: each then has a line and a slot of its own, like
 * different threads.
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

/** To be raised whenever a member of the protocol comes to mean something else. */
const PROTOCOL_VERSION = 7;

const NAME = Symbol.for(
  `@databases/lock/shared: ${PROTOCOL_VERSION} ${Object.keys(PROTOCOL).join(' ')}`,
);

type Lines = BlockingLine | KeyLines;
type MembershipsById = Map<string, WeakRef<Pick<Membership<Lines>, 'lines'>>>;

interface Registry {
  /** By the id in the memory: a buffer that arrives by message is a new object every time. */
  readonly byId: MembershipsById;
  /** Tells the locks that are made here from those of other registries of the thread. */
  readonly realm: readonly [number, number];
  /** How many locks were made here. */
  made: number;
}

function findRegistry(): Registry {
  const place = globalThis as {[NAME]?: Registry | undefined};
  return (place[NAME] ??= {byId: new Map(), realm: randomSeed(), made: 0});
}

/** What a membership leaves behind when the last lock object is gone. */
interface Remains {
  /** Not looked up again, because a test runner may have emptied `globalThis` by then. */
  readonly byId: MembershipsById;
  readonly membership: WeakRef<Membership>;
  readonly cells: Cells;
  readonly slot: Slot;
  readonly threadId: number;
}

const collected = new FinalizationRegistry<Remains>(({byId, membership, cells, slot, threadId}) => {
  const id = memoryId(cells);
  // The thread may use the memory again by now, with another membership.
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
 * This thread's line for the lock in `buffer`.
 *
 * @throws `LockError`, `code: 'ERR_LOCK_FULL'`, if too many threads use the lock.
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
  // First: another thread may probe this one as soon as it finds it in a slot.
  runtime.becomeProbeable();
  const threadId = runtime.threadId ?? numberThread(cells);
  const attachment = attach(cells, threadId, sharedNow(), (thread) => {
    void hasEnded(cells, thread, threadId, () => isInUseBy(cells, thread));
  });
  if (attachment === undefined) {
    throw fullError(`Expected at most ${SLOTS} threads to use the lock.`);
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

/** The lines of this thread: one for each lock, whichever objects and copies of this package use it. (Realms have their own.) */
import {LockError} from '../errors.js';
import {LockMemory, SLOTS} from './lockMemory.js';
import {answer, threadId} from './platform.js';
import {SharedLine} from './sharedLine.js';

interface Lines {
  /** By the id in the lock's memory: a buffer that arrives by message is a new object every time. */
  readonly byId: Map<string, WeakRef<SharedLine>>;
  /** Tells these lines from those of another realm of the thread. */
  readonly realm: number;
  /** How many locks were made here. */
  made: number;
}

/** Kept where the ES module and the CommonJS copy both find it. Another layout of it would need another name. */
const KEY = Symbol.for('@databases/lock/shared: lines, version 1');

function lines(): Lines {
  const place = globalThis as {[KEY]?: Lines};
  if (place[KEY] === undefined) {
    place[KEY] = {byId: new Map(), realm: Math.floor(Math.random() * 2 ** 32), made: 0};
    answer();
  }
  return place[KEY];
}

/** What a line leaves behind when its last lock object is gone. */
interface Remains {
  readonly line: WeakRef<SharedLine>;
  readonly memory: LockMemory;
  readonly slot: number;
}

const collected = new FinalizationRegistry<Remains>(({line, memory, slot}) => {
  const {byId} = lines();
  // The thread may use the lock again by now, with another line.
  if (byId.get(memory.id) === line) byId.delete(memory.id);
  memory.detach(slot);
});

/** The memory of a new lock. */
export function createMemory(): LockMemory {
  const here = lines();
  return LockMemory.create([threadId, here.realm, ++here.made]);
}

/** @throws `LockError`, `code: 'ERR_LOCK_FULL'`, if too many threads use the lock. */
export function lineOf(memory: LockMemory): SharedLine {
  const {byId} = lines();
  const existing = byId.get(memory.id)?.deref();
  if (existing !== undefined) return existing;
  const slot = memory.attach(threadId);
  if (slot === undefined) {
    throw new LockError('ERR_LOCK_FULL', `Expected at most ${SLOTS} threads to use the lock.`);
  }
  const line = new SharedLine(memory, slot);
  const weak = new WeakRef(line);
  byId.set(memory.id, weak);
  collected.register(line, {line: weak, memory, slot});
  return line;
}

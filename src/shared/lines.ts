/** The lines of this thread: one for each lock, whichever objects and copies of this package use it. (Realms have their own.) */
import {LockError} from '../errors.js';
import {outside} from '../intrinsics.js';
import {deref} from './intrinsics.js';
import {LockMemory, SLOTS} from './lockMemory.js';
import {answer, sharedNow, threadId} from './platform.js';
import {hasEnded} from './presence.js';
import {SharedLine} from './sharedLine.js';

type LinesById = Map<string, WeakRef<SharedLine>>;

interface Lines {
  /** By the id in the lock's memory: a buffer that arrives by message is a new object every time. */
  readonly byId: LinesById;
  /** Tells these lines from those of another realm of the thread. */
  readonly realm: number;
  /** How many locks were made here. */
  made: number;
}

/** Kept where the ES module and the CommonJS copy both find it. Another layout of it would need another name. */
const KEY = Symbol.for('@databases/lock/shared: lines, version 2');

function lines(): Lines {
  const place = globalThis as {[KEY]?: Lines | undefined};
  return (place[KEY] ??= {byId: new Map(), realm: Math.floor(Math.random() * 2 ** 32), made: 0});
}

/** What a line leaves behind when its last lock object is gone. */
interface Remains {
  /** Where it was found; not looked up again, because a test runner may have emptied `globalThis` by then. */
  readonly byId: LinesById;
  readonly line: WeakRef<SharedLine>;
  readonly memory: LockMemory;
  readonly slot: number;
}

const collected = new FinalizationRegistry<Remains>(({byId, line, memory, slot}) => {
  // The thread may use the lock again by now, with another line.
  if (byId.get(memory.id) === line) byId.delete(memory.id);
  memory.detach(slot, threadId);
});

/** The memory of a new lock. */
export function createMemory(): LockMemory {
  const here = lines();
  return LockMemory.create([threadId, here.realm, ++here.made]);
}

/** @throws `LockError`, `code: 'ERR_LOCK_FULL'`, if too many threads use the lock. */
export function lineOf(memory: LockMemory): SharedLine {
  const {byId} = lines();
  const existing = byId.get(memory.id);
  return (existing && deref(existing)) ?? outside(() => attach(memory, byId));
}

function attach(memory: LockMemory, byId: LinesById): SharedLine {
  // First, because another thread may ask as soon as it finds this one in a slot.
  answer();
  const attachment = memory.attach(threadId, sharedNow(), (suspect) => {
    void hasEnded(memory, suspect, () => memory.isInUse(suspect));
  });
  if (attachment === undefined) {
    throw new LockError('ERR_LOCK_FULL', `Expected at most ${SLOTS} threads to use the lock.`);
  }
  const line = new SharedLine(memory, attachment);
  const weak = new WeakRef(line);
  byId.set(memory.id, weak);
  collected.register(line, {byId, line: weak, memory, slot: attachment.slot});
  return line;
}

import {channel} from 'node:diagnostics_channel';

/** What is published while somebody watches and subscribes. */
export interface LockMessage {
  /** The lock's name, if it has one. */
  readonly lock: string | undefined;
  /** The key, of a lock by key. */
  readonly key: unknown;
  /** Of `acquire`, `timeout` and `abort`: how long the caller waited. */
  readonly waitedMilliseconds?: number;
  /** Of `release`: how long the lock was held. */
  readonly heldMilliseconds?: number | undefined;
  /** Of `abandon`: the thread that ended while it held the lock. */
  readonly threadId?: number;
}

/** By their events. A caller that does not wait has no `wait`. */
export const channels = {
  acquire: channel('@databases/lock:acquire'),
  release: channel('@databases/lock:release'),
  wait: channel('@databases/lock:wait'),
  timeout: channel('@databases/lock:timeout'),
  abort: channel('@databases/lock:abort'),
  abandon: channel('@databases/lock:abandon'),
};

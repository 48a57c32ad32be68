import {channel} from 'node:diagnostics_channel';

/** The channels, by their events. A caller that gets the lock at once causes no `wait`. */
export const channels = {
  acquire: channel('@databases/lock:acquire'),
  release: channel('@databases/lock:release'),
  wait: channel('@databases/lock:wait'),
  timeout: channel('@databases/lock:timeout'),
  abort: channel('@databases/lock:abort'),
  abandon: channel('@databases/lock:abandon'),
};

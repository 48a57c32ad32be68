import {channel} from 'node:diagnostics_channel';

/** By their events. A caller that does not wait has no `wait`. */
export const channels = {
  acquire: channel('@databases/lock:acquire'),
  release: channel('@databases/lock:release'),
  wait: channel('@databases/lock:wait'),
  timeout: channel('@databases/lock:timeout'),
  abort: channel('@databases/lock:abort'),
  abandon: channel('@databases/lock:abandon'),
};

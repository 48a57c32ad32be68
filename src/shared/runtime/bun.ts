/**
 * Bun, which numbers all threads as Node.js does, but does not know all of them by their numbers: it
 * finds none that was started as a Web `Worker`.
 */
import {node} from './node.js';
import {findLack} from './lacks.js';
import type {Runtime} from './runtime.js';

/** Those that it has known before. */
const known = new Set<number>();

/** A process has fewer threads at a time. Those that are forgotten have to answer again. */
const MOST_KNOWN = 10_000;

export const bun: Runtime = {
  ...node,
  obstacle: () => findLack('Bun', 'bun', '1.4'),

  async probeThread(id) {
    const presence = await node.probeThread(id);
    if (presence === 'not found') return known.has(id) ? presence : 'no answer';
    if (known.size === MOST_KNOWN) known.clear();
    known.add(id);
    return presence;
  },
};

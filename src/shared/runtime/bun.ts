/**
 * Bun, which numbers all threads as Node.js does, but cannot send to all of them: it finds no thread
 * that was started as a Web `Worker`.
 */
import {findLack} from './lacks.js';
import {node} from './node.js';
import type {Runtime} from './runtime.js';

/** Those that it was able to send to. */
const known = new Set<number>();

/** A process has fewer threads at a time. Those that are forgotten have to answer again. */
const MOST_KNOWN = 10_000;

/** No thread has this number. */
const NOBODY = 2 ** 31 - 1;

export const bun: Runtime = {
  ...node,
  obstacle: () => findLack('Bun', 'bun', '1.4'),

  async probeThread(id) {
    if (known.has(id)) return node.probeThread(id);
    // Without an answer, either the thread is busy, or the main thread is, which would say so of
    // nobody, too.
    const [presence, ofNobody] = await Promise.all([id, NOBODY].map(node.probeThread));
    if (presence === 'found' || (presence === 'no answer' && ofNobody === 'not found')) {
      if (known.size === MOST_KNOWN) known.clear();
      known.add(id);
      return presence;
    }
    return 'no answer';
  },
};

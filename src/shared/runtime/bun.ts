/**
 * Bun, which numbers all threads as Node.js does, but cannot send to all of them: it finds no thread
 * that was started as a Web `Worker`.
 */
import {createMap} from '../../intrinsics.js';
import {findLack} from './lacks.js';
import {node} from './node.js';
import type {Runtime} from './runtime.js';

/** Those that it was able to send to, and how many they are. */
const known = {ids: createMap<number, true>(), size: 0};

/** A process has fewer threads at a time. Those that are forgotten have to answer again. */
const MOST_KNOWN = 10_000;

/** No thread has this number. */
const NOBODY = 2 ** 31 - 1;

export const bun: Runtime = {
  ...node,
  obstacle: () => findLack('Bun', 'bun', '1.4'),

  async probeThread(id) {
    if (known.ids.get(id)) return node.probeThread(id);
    // Without an answer, either the thread is busy, or the main thread is, which would say so of
    // nobody, too.
    const asked = node.probeThread(NOBODY);
    const presence = await node.probeThread(id);
    const ofNobody = await asked;
    if (presence === 'found' || (presence === 'no answer' && ofNobody === 'not found')) {
      remember(id);
      return presence;
    }
    return 'no answer';
  },
};

function remember(id: number): void {
  if (known.size === MOST_KNOWN) {
    known.ids = createMap();
    known.size = 0;
  }
  known.ids.set(id, true);
  known.size++;
}

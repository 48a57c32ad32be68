/**
 * Bun. It numbers all threads as Node.js does, but cannot send messages to all of them: it does not
 * find threads that were started as a Web `Worker`.
 */
import {createMap} from '../../intrinsics.js';
import {findLack} from './lacks.js';
import {node} from './node.js';
import type {Runtime} from './runtime.js';

/** The threads to which it was able to send a message, and their number. */
const known = {ids: createMap<number, true>(), size: 0};

/**
 * How many threads are remembered. No process has as many at a time. A thread that is forgotten has
 * to answer again.
 */
const MOST_KNOWN = 10_000;

/** No thread has this number. */
const NOBODY = 2 ** 31 - 1;

export const bun: Runtime = {
  ...node,
  obstacle: () => findLack('Bun', 'bun', '1.4'),

  async probeThread(id) {
    if (known.ids.get(id)) return node.probeThread(id);
    // If there is no answer, either the thread is busy or the main thread is. In the latter case
    // there is no answer about `NOBODY` either.
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

// What is reported of locks that are held, or awaited, for long; and what is left when nobody
// watches any more.
import {executionAsyncResource} from 'node:async_hooks';
import test from 'ava';
import {watchLocks} from '../../src/debug/index.js';
import {createLock} from '../../src/index.js';

test.serial(
  'whoever has stopped to watch leaves nothing in the async contexts of the process',
  async (t) => {
    // What Node.js attaches to each timer, and to each promise, for every store that is in use.
    const stores = () =>
      new Promise((resolve) =>
        setImmediate(() => {
          const {length} = Object.getOwnPropertySymbols(executionAsyncResource());
          resolve(length);
        }),
      );
    const before = await stores();
    for (let watch = 0; watch < 5; watch++) {
      const stop = watchLocks();
      const lock = createLock();
      (await lock.acquire()).release();
      stop();
    }
    t.is(await stores(), before);
  },
);

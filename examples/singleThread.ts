// Runs the transfers in one thread, first without a lock and then with one.
import {createLock} from '@databases/lock';
import {audit, transfers} from './transfers.js';

const lock = createLock();

await audit('Without the lock', (file) => transfers(file));

const balanced = await audit('With the lock', (file) => transfers(file, lock));
if (!balanced) {
  console.error('Money was lost or made although every transfer held the lock.');
  process.exitCode = 1;
}

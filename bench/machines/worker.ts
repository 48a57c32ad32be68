/** One process of a measurement: its callers lock and work until they are told to stop. */
import {setTimeout as sleep} from 'node:timers/promises';
import {MACHINES_LOCKS} from './locks.js';

export interface Task {
  readonly lock: string;
  readonly url: string;
  readonly callers: number;
  readonly keys: number;
}

/** What a process did: for each section its key, and when it was asked for, begun and left. */
export type Section = readonly [key: number, asked: number, entered: number, left: number];

const {lock, url, callers, keys} = JSON.parse(process.argv[2] as string) as Task;
const withLock = await MACHINES_LOCKS[lock]?.(url, callers);
if (withLock === undefined) throw new Error(`There is no lock ${lock}.`);

/** On a clock that all processes of the machine share. */
const now = () => Number(process.hrtime.bigint()) / 1e6;

/** In each measurement another: some locks outlive the process that had them. */
const nameOf = (key: number) => `${process.ppid} ${key}`;

const sections: Section[] = [];
const stopped = {at: Infinity};
let next = 0;

async function call(): Promise<void> {
  while (stopped.at === Infinity) {
    const key = next++ % keys;
    const asked = now();
    await withLock?.(nameOf(key), async () => {
      const entered = now();
      await sleep(1);
      sections.push([key, asked, entered, now()]);
    });
  }
}

process.on('message', (message) => {
  if (message === 'start') for (let n = 0; n < callers; n++) void call();
  if (message === 'stop') {
    stopped.at = now();
    // Those that wait may do so for long.
    process.send?.(sections, () => process.exit());
  }
  // The first process holds the lock, and all others wait.
  if (message === 'hold') void withLock(nameOf(0), () => new Promise(() => process.send?.('held')));
  if (message === 'wait')
    for (let n = 0; n < callers; n++) void withLock(nameOf(0), () => sleep(1));
});
process.send?.('ready');

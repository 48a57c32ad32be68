/** The benchmarks across processes, on a PostgreSQL of their own. */
import {Server} from '../../test/postgres/support/server.js';
import {Child} from '../support/child.js';
import type {Cell} from '../support/report.js';
import {measureRows, type Row} from '../support/rounds.js';
import type {Question} from './child.js';
import {MACHINES_LOCKS} from './locks.js';
import {IDLE, IDLE_ROW, SIZES, machinesRow, type Size} from './rows.js';

const LIMIT_MILLISECONDS = 30_000;

export async function measureMachines(quick: boolean): Promise<Cell[]> {
  const server = await Server.start(18);
  if (typeof server === 'string') {
    process.stderr.write(`No PostgreSQL can be started here, so nothing is measured:\n${server}\n`);
    return [];
  }
  try {
    const milliseconds = quick ? 1000 : 3000;
    const row = (name: string, size: Size, isIdle: boolean): Row => ({
      name,
      contestants: Object.keys(MACHINES_LOCKS).map((lock) => ({
        lock,
        measure: () => {
          const {url, pid: serverPid} = server;
          const limit = LIMIT_MILLISECONDS + milliseconds;
          const child = new Child<Question>(new URL('./child.js', import.meta.url), limit);
          return child.askOnce({...size, lock, url, serverPid, milliseconds, isIdle});
        },
      })),
    });
    const rows = [
      ...SIZES.map((size) => row(machinesRow(size), size, false)),
      row(IDLE_ROW, IDLE, true),
    ];
    return await measureRows('machines', rows, quick ? 1 : 3);
  } finally {
    await server.end();
  }
}

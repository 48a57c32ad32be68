import type {TestFn} from 'ava';
import {MAJORS, type Major} from './binaries.js';
import {Server, type ServerOptions} from './server.js';

/**
 * Starts a server of each of these versions for the tests of a file. Where one cannot be started, a
 * test says so instead.
 */
export async function startServers(
  test: TestFn,
  majors: readonly Major[] = MAJORS,
  options: ServerOptions = {},
): Promise<Server[]> {
  const servers = await Promise.all(
    majors.map(async (major) => {
      const server = await Server.start(major, options);
      if (typeof server !== 'string') return server;
      test(`NOT TESTED on PostgreSQL ${major}, which cannot be started here`, (t) => {
        t.log(server);
        t.pass();
      });
      return undefined;
    }),
  );
  const started = servers.filter((server) => server !== undefined);
  test.after.always(async () => {
    await Promise.all(started.map((server) => server.end()));
  });
  return started;
}

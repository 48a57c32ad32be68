/**
 * Several suites measure by turns, one row each, so that a machine that grows faster or slower
 * meanwhile does so for the Node.js of each.
 */
import type {ChildProcess} from 'node:child_process';

/** In a suite: waits for its turn, and ends the one before. */
export async function takeTurn(): Promise<void> {
  if (process.send === undefined) return;
  const turn = new Promise((resolve) => process.once('message', resolve));
  process.send('next');
  await turn;
}

/** Gives turns to the suites until all have ended. Resolves to their exit codes. */
export async function giveTurns(suites: readonly ChildProcess[]): Promise<Array<number | null>> {
  const codes = suites.map(
    (suite) => new Promise<number | null>((resolve) => suite.once('exit', resolve)),
  );
  const isOver = suites.map(() => false);
  const asks = suites.map((suite, n) => {
    void codes[n]?.then(() => (isOver[n] = true));
    return () => Promise.race([new Promise((resolve) => suite.once('message', resolve)), codes[n]]);
  });
  // Each has to be ready, and waits, before the first begins.
  await Promise.all(asks.map((ask) => ask()));
  while (isOver.includes(false)) {
    for (const [n, suite] of suites.entries()) {
      if (isOver[n] === true) continue;
      const next = asks[n]?.();
      suite.send('go');
      await next;
    }
  }
  return Promise.all(codes);
}

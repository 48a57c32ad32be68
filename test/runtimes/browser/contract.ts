/** The contract of a lock in one thread, in a page or a worker of a browser. */
import {createLock} from '../../../src/index.js';
import {lockContract} from '../../contract/lockContract.js';
import {Suite, type Results} from '../suite.js';

declare const navigator: {readonly userAgent: string};
declare const crossOriginIsolated: boolean;

export interface BrowserResults extends Results {
  readonly where: string;
  /** Of what making a lock across threads throws. */
  readonly refusal: {readonly code: unknown; readonly message: string};
}

const PATIENCE_MILLISECONDS = 240_000;

/** Rejects with where it stands, if it takes too long. */
export function runInBrowser(where: string): Promise<BrowserResults> {
  const suite = new Suite();
  const {setTimeout} = globalThis;
  const patience = new Promise<never>((_, reject) => {
    setTimeout(
      () => reject(new Error(`In the ${where}, this takes too long: ${suite.current}`)),
      PATIENCE_MILLISECONDS,
    );
  });
  return Promise.race([run(suite, where), patience]);
}

async function run(suite: Suite, where: string): Promise<BrowserResults> {
  // Only the lock across threads asks whether the page is isolated.
  if (!crossOriginIsolated)
    lockContract(suite.declare('a lock', false), createLock, {hasContexts: false});
  const refusal = await refusalOf(async () => {
    const shared = await import('../../../src/shared/index.js');
    return () => shared.createLock();
  });
  return {where, refusal, ...(await suite.run(navigator.userAgent))};
}

/** Only the call itself may fail, not the loading before it. */
async function refusalOf(load: () => Promise<() => unknown>): Promise<BrowserResults['refusal']> {
  const call = await load();
  try {
    call();
  } catch (error) {
    const {code, message} = error as Error & {code?: unknown};
    return {code, message};
  }
  return {code: undefined, message: 'It threw nothing.'};
}

import {setImmediate as nextTurn} from 'node:timers/promises';

/** A promise that the test settles when it likes. */
export function deferred<T = void>() {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return {promise, resolve, reject};
}

/** Everything that could happen without time passing or other threads acting has happened. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await nextTurn();
}

/** The outcome of a promise so far, as a list that grows to at most one entry. */
export function watch<T>(promise: Promise<T>): Array<{value: T} | {error: unknown}> {
  const outcome: Array<{value: T} | {error: unknown}> = [];
  promise.then(
    (value) => outcome.push({value}),
    (error: unknown) => outcome.push({error}),
  );
  return outcome;
}

/** Resolves as soon as `condition` holds. Nothing happens at a time limit but AVA's own. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** The values among the outcomes of `watch`. */
export function values(outcomes: ReturnType<typeof watch>): unknown[] {
  return outcomes.flatMap((outcome) => ('value' in outcome ? [outcome.value] : []));
}

/**
 * Finds calls that wait for each other in a circle.
 *
 * A call that waits for a lock waits for the lock's holder. Whether a holder waits for a call, the
 * call's chain shows: a function awaits the call's promise, another function awaits that function's
 * promise, and so on. The chain ends at the function of this package that awaits the holder's
 * function. V8 follows that chain for the stack traces of asynchronous functions. A call that
 * nobody awaits has no chain, and so it is in no circle.
 */
import type {Holder, Wait} from './records.js';
import {Acquisition} from './records.js';

/** A call, and the holder that it waits for. */
export interface Step {
  readonly wait: Wait;
  readonly holder: Holder;
}

/**
 * The holder of the lock that `wait` waits for, or `undefined` if no watched holder in this thread
 * has it.
 */
function holderFor(wait: Wait): Holder | undefined {
  // A call for several locks waits for each of them, by a wait of its own.
  if (wait.entrance === undefined) return wait.group;
  const watched = wait.entrance.line.holder?.watched;
  return watched instanceof Acquisition ? watched.holder : undefined;
}

/** All circles that contain one of `waits`, each in the order of its steps. */
export function findCircles(waits: Iterable<Wait>): Step[][] {
  const waitsOf = new Map<Holder, Wait[]>();
  for (const wait of waits) {
    for (const holder of wait.awaiters.keys()) {
      const others = waitsOf.get(holder);
      if (others) others.push(wait);
      else waitsOf.set(holder, [wait]);
    }
  }
  const circles: Step[][] = [];
  const inCircle = new Set<Wait>();
  for (const wait of waits) {
    if (inCircle.has(wait) || wait.awaiters.size === 0) continue;
    const circle = findCircle(wait, waitsOf);
    if (!circle) continue;
    for (const step of circle) inCircle.add(step.wait);
    circles.push(circle);
  }
  return circles;
}

function findCircle(start: Wait, waitsOf: ReadonlyMap<Holder, Wait[]>): Step[] | undefined {
  const seen = new Set<Holder>();
  const path: Step[] = [];
  // Depth first, without recursion: a chain may be long.
  const open: {step: Step; depth: number}[] = [];
  const visit = (wait: Wait, depth: number) => {
    const holder = holderFor(wait);
    if (holder && !seen.has(holder)) open.push({step: {wait, holder}, depth});
  };
  visit(start, 0);
  for (let next; (next = open.pop());) {
    const {step, depth} = next;
    if (seen.has(step.holder)) continue;
    seen.add(step.holder);
    path.length = depth;
    path.push(step);
    if (start.awaiters.has(step.holder)) return path;
    for (const wait of waitsOf.get(step.holder) ?? []) visit(wait, depth + 1);
  }
  return undefined;
}

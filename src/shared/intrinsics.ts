/**
 * The functions of the language that the shared lock calls, as they were when this was loaded.
 * `../intrinsics.ts` gives the reason.
 */
import {uncurried} from '../intrinsics.js';

const host: Partial<typeof globalThis> = globalThis;
const {load, store, add, and, or, exchange, compareExchange, notify, wait, waitAsync} =
  host.Atomics ?? ({} as typeof globalThis.Atomics);

export const Atomics = {
  load,
  store,
  add,
  and,
  or,
  exchange,
  compareExchange,
  notify,
  wait,
  waitAsync,
};

export const deref = uncurried(WeakRef.prototype.deref) as <T extends WeakKey>(
  reference: WeakRef<T>,
) => T | undefined;

export const eachInMap = uncurried(Map.prototype.forEach) as <K, V>(
  map: Map<K, V>,
  action: (value: V, key: K) => void,
) => void;

export const charCodeAt = uncurried(String.prototype.charCodeAt);

export const {clz32, floor, max, min, random} = Math;

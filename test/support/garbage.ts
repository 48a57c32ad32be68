import {setFlagsFromString} from 'node:v8';
import {runInNewContext} from 'node:vm';
import {settle} from './async.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** How many of the objects are still in memory once what nobody can reach was collected. */
export async function countLeft(references: ReadonlyArray<WeakRef<object>>): Promise<number> {
  // An object that was looked at stays until the end of that turn.
  await settle();
  collect();
  return references.filter((reference) => reference.deref() !== undefined).length;
}

import {createLocksByKey} from '@databases/lock';

const locks = createLocksByKey();

export async function atomicSlowAdd(obj: {value: number}) {
  return await locks.withLock(obj, async () => {
    const oldValue = obj.value;
    await new Promise((r) => setTimeout(r, 1000));
    obj.value = oldValue + 1;
  });
}

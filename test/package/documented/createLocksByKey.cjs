const {createLocksByKey} = require('@databases/lock');

const locks = createLocksByKey();

let value = 0;
exports.atomicSlowAdd = async function atomicSlowAdd(obj) {
  return await locks.withLock(obj, async () => {
    const oldValue = obj.value;
    await new Promise((r) => setTimeout(r, 1000));
    obj.value = oldValue + 1;
  });
};

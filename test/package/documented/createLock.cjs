const {createLock} = require('@databases/lock');

const lock = createLock(30_000);

let value = 0;
exports.atomicSlowAdd = async function atomicSlowAdd() {
  return await lock.withLock(async () => {
    const oldValue = value;
    await new Promise((r) => setTimeout(r, 1000));
    value = oldValue + 1;
    return value;
  });
};

// Three jobs, each of which holds a lock and waits for the next one's.
const [, , entry] = process.argv;
const {createLock} = await import(entry);

const orders = createLock(undefined, {name: 'orders'});
const stock = createLock(undefined, {name: 'stock'});
const ledger = createLock(undefined, {name: 'ledger'});
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function placeOrder() {
  await orders.withLock(async () => {
    await turn();
    await stock.withLock(turn);
  });
}

async function countStock() {
  await stock.withLock(async () => {
    await turn();
    await ledger.withLock(turn);
  });
}

async function closeBooks() {
  await ledger.withLock(async () => {
    await turn();
    await orders.withLock(turn);
  });
}

await Promise.all([placeOrder(), countStock(), closeBooks()]);

import test from 'ava';
import {
  Waiter,
  failingWith,
  rejectingWith,
  type CancellableWaiters,
  type WaiterEntrance,
} from '../../src/line/waiter.js';
import {settle, watch} from '../support/async.js';

/** A way in that logs what its waiters ask of it. */
function createDoor(log: unknown[] = []): WaiterEntrance {
  return {
    lock: {},
    onAbandoned: undefined,
    admitted: ({acquisition}) => `acquisition ${acquisition}`,
    details: () => undefined,
    cancel: (waiter) => log.push(['cancelled', waiter]),
  };
}

/** Something that may end waits, and logs who comes and goes. */
function createCancellation(
  name: string,
  log: string[],
  change: Partial<CancellableWaiters> = {},
): CancellableWaiters {
  return {
    enqueue: () => log.push(`${name}: enqueue`),
    dequeue: () => log.push(`${name}: dequeue`),
    recount: () => log.push(`${name}: recount`),
    ...change,
  } as Partial<CancellableWaiters> as CancellableWaiters;
}

const fails = (message: string) => (): never => {
  throw new Error(message);
};

test('a waiter waits from its wait until it is admitted', async (t) => {
  const waiter = new Waiter(createDoor());
  t.false(waiter.isWaiting);
  const outcome = watch(waiter.wait(undefined, undefined));
  await settle();
  t.true(waiter.isWaiting);
  t.deepEqual(outcome, []);
  waiter.admit(7);
  t.false(waiter.isWaiting);
  await settle();
  t.is(outcome.length, 1);
});

test('the promise of a waiter that is admitted becomes what its door says of its acquisition', async (t) => {
  const waiter = new Waiter(createDoor());
  const promise = waiter.wait(undefined, undefined);
  waiter.admit(7);
  t.is(waiter.acquisition, 7);
  t.is(await promise, 'acquisition 7');
});

test('the code of a waiter does not go on before who admits it is done', async (t) => {
  const waiter = new Waiter(createDoor());
  const outcome = watch(waiter.wait(undefined, undefined));
  waiter.admit(1);
  t.deepEqual(outcome, []);
  await settle();
  t.deepEqual(outcome, [{value: 'acquisition 1'}]);
});

test('the promise of a waiter that is refused rejects with what the failure throws', async (t) => {
  const waiter = new Waiter(createDoor());
  const promise = waiter.wait(undefined, undefined);
  waiter.refuse(failingWith(fails('refused')));
  t.false(waiter.isWaiting);
  await t.throwsAsync(promise, {message: 'refused'});
});

test('the stack of the error of a waiter that is refused leads to its caller', async (t) => {
  const waiter = new Waiter(createDoor());
  async function callerOfTheWaiter(): Promise<void> {
    await waiter.wait(undefined, undefined);
  }
  const call = callerOfTheWaiter();
  waiter.refuse(failingWith(fails('refused')));
  const error = await t.throwsAsync(call);
  t.regex(error.stack ?? '', /callerOfTheWaiter/);
});

test('many waiters may be refused with one reason', async (t) => {
  const reason = new Error('the reason');
  const refusal = rejectingWith(reason);
  const waiters = [new Waiter(createDoor()), new Waiter(createDoor())];
  const outcomes = waiters.map((waiter) => watch(waiter.wait(undefined, undefined)));
  for (const waiter of waiters) waiter.refuse(refusal);
  await settle();
  t.deepEqual(outcomes, [[{error: reason}], [{error: reason}]]);
});

test('a waiter whose admission fails still waits, until its deadline', (t) => {
  const door = createDoor();
  const waiter = new Waiter({
    ...door,
    admitted: () => {
      throw new RangeError('Maximum call stack size exceeded');
    },
  });
  void waiter.wait(undefined, undefined);
  waiter.deadline = 1234.5;
  t.throws(() => waiter.admit(1), {instanceOf: RangeError});
  t.true(waiter.isWaiting);
  t.is(waiter.deadline, 1234.5);
});

test('a waiter that was admitted can no longer be refused', async (t) => {
  const waiter = new Waiter(createDoor());
  const promise = waiter.wait(undefined, undefined);
  waiter.admit(1);
  waiter.refuse(
    failingWith(() => {
      t.fail('It makes no error that nobody gets.');
      return fails('refused')();
    }),
  );
  t.is(await promise, 'acquisition 1');
});

test('a waiter that was refused, or admitted, can no longer be admitted', async (t) => {
  const refused = new Waiter(createDoor());
  const refusedPromise = refused.wait(undefined, undefined);
  refused.refuse(failingWith(fails('refused')));
  refused.admit(1);
  await t.throwsAsync(refusedPromise, {message: 'refused'});
  const admitted = new Waiter(createDoor());
  const admittedPromise = admitted.wait(undefined, undefined);
  admitted.admit(1);
  admitted.admit(2);
  t.is(await admittedPromise, 'acquisition 1');
});

test('a waiter whose resolve was taken is neither admitted nor refused', async (t) => {
  const waiter = new Waiter(createDoor());
  const outcome = watch(waiter.wait(undefined, undefined));
  waiter.resolve = undefined;
  t.false(waiter.isWaiting);
  waiter.admit(1);
  waiter.refuse(failingWith(fails('refused')));
  await settle();
  t.deepEqual(outcome, []);
});

for (const [end, act] of [
  ['admitted', (waiter: Waiter) => waiter.admit(1)],
  ['refused', (waiter: Waiter) => waiter.refuse(failingWith(fails('refused')))],
] as const) {
  test(`a waiter that is ${end} leaves its timeout and its signal, once`, async (t) => {
    const log: string[] = [];
    const waiter = new Waiter(createDoor());
    const outcome = watch(
      waiter.wait(createCancellation('timeout', log), createCancellation('signal', log)),
    );
    t.deepEqual(log.splice(0).sort(), ['signal: enqueue', 'timeout: enqueue']);
    act(waiter);
    act(waiter);
    await settle();
    t.deepEqual(log.sort(), ['signal: dequeue', 'timeout: dequeue']);
    t.is(outcome.length, 1);
  });

  test(`a waiter is ${end} also where its timeout or its signal throws, and is taken from both`, async (t) => {
    for (const thrower of ['timeout', 'signal']) {
      const log: string[] = [];
      const create = (name: string) =>
        createCancellation(name, log, name === thrower ? {dequeue: fails('out of stack')} : {});
      const waiter = new Waiter(createDoor());
      const outcome = watch(waiter.wait(create('timeout'), create('signal')));
      t.notThrows(() => act(waiter));
      t.false(waiter.isWaiting);
      await settle();
      t.is(outcome.length, 1);
      t.deepEqual(log.slice(-2).sort(), ['signal: recount', 'timeout: recount']);
    }
  });
}

test('what keeps a timeout or a signal from its work is thrown, and nobody waits', (t) => {
  for (const thrower of ['timeout', 'signal']) {
    const log: string[] = [];
    const create = (name: string) =>
      createCancellation(name, log, name === thrower ? {enqueue: fails('no more of these')} : {});
    const waiter = new Waiter(createDoor());
    t.throws(() => waiter.wait(create('timeout'), create('signal')), {message: 'no more of these'});
    t.false(waiter.isWaiting);
    waiter.tidy();
    t.deepEqual(log.slice(-2).sort(), ['signal: recount', 'timeout: recount']);
  }
});

test('a waiter whose promise cannot be settled yet still waits', async (t) => {
  const waiter = new Waiter(createDoor());
  const outcome = watch(waiter.wait(undefined, undefined));
  const {resolve} = waiter;
  waiter.resolve = fails('out of stack');
  t.throws(() => waiter.admit(7), {message: 'out of stack'});
  t.true(waiter.isWaiting);
  waiter.resolve = resolve;
  waiter.admit(8);
  await settle();
  t.is(outcome.length, 1);
  t.is(waiter.acquisition, 8);
});

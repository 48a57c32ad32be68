import test from 'ava';
import {CohortLine, type Contender} from '../../src/line/cohortLine.js';
import type {LineEntrance, LineWaiter, OnAbandoned} from '../../src/line/protocol.js';
import {Waiter, type WaiterEntrance} from '../../src/line/waiter.js';
import {settle} from '../support/async.js';

/** What the contender of a test answers, and what it does beyond being logged. */
interface Answers {
  isTaken: boolean;
  isHeir: boolean;
  ownerThreadId: number | undefined;
  tryTake: boolean;
  tryFree: boolean;
  extendTenure: boolean;
  recover: boolean;
  /** Does what it likes when the contender is called, after that was logged. */
  on: Partial<Record<keyof Contender, () => void>>;
}

/** A line whose contender is a plain object, and the log of what it is told. */
function setUp(given: Partial<Answers> = {}) {
  const log: string[] = [];
  const answers: Answers = {
    isTaken: false,
    isHeir: false,
    ownerThreadId: undefined,
    tryTake: true,
    tryFree: true,
    extendTenure: true,
    recover: false,
    on: {},
    ...given,
  };
  const called = (name: keyof Contender, ...args: unknown[]) => {
    log.push([name, ...args].join(' '));
    answers.on[name]?.();
  };
  let win = (): void => undefined;
  const line = new CohortLine((onWon): Contender => {
    win = onWon;
    return {
      isTaken: () => answers.isTaken,
      ownerThreadId: () => answers.ownerThreadId,
      get isHeir() {
        return answers.isHeir;
      },
      tryTake: () => {
        called('tryTake');
        return answers.tryTake;
      },
      contend: () => called('contend'),
      takeBlocking: (milliseconds) => {
        called('takeBlocking', milliseconds);
        return answers.tryTake;
      },
      handOnAndWait: () => called('handOnAndWait'),
      withdraw: () => called('withdraw'),
      tryFree: () => {
        called('tryFree');
        return answers.tryFree;
      },
      extendTenure: (waiting) => {
        called('extendTenure', waiting);
        return answers.extendTenure;
      },
      handOn: (mayBarge, contends) => called('handOn', mayBarge, contends),
      recover: () => {
        called('recover');
        return answers.recover;
      },
      captureContext: () => {
        called('captureContext');
        return 'a context';
      },
      tellHeir: (tell, context) => {
        called('tellHeir', context);
        answers.isHeir = false;
        tell(1001);
      },
    };
  });
  /** What the contender was told since the last call. */
  const told = () => log.splice(0);
  return {line, answers, told, win: () => win()};
}

/** A caller in line, and the numbers of the acquisitions that it was admitted by. */
class Caller implements LineWaiter {
  readonly entrance: LineEntrance;
  readonly admissions: number[] = [];
  isWaiting = true;
  /** Finds the stack full when it is next admitted. */
  isUnlucky = false;

  constructor(entrance: LineEntrance = {lock: {}, onAbandoned: undefined}) {
    this.entrance = entrance;
  }

  admit(acquisition: number): void {
    if (this.isUnlucky) {
      this.isUnlucky = false;
      outOfStack();
    }
    this.isWaiting = false;
    this.admissions.push(acquisition);
  }

  giveUp(line: CohortLine): void {
    this.isWaiting = false;
    line.withdraw(this);
  }
}

const entrance: LineEntrance = {lock: {}, onAbandoned: undefined};

/** A line that holds the lock, with so many in line behind the holder. */
function setUpHolding(waiting: number, given: Partial<Answers> = {}) {
  const setting = setUp({tryFree: false, ...given});
  setting.line.tryAcquire(entrance);
  const callers = Array.from({length: waiting}, () => new Caller());
  for (const caller of callers) setting.line.enqueue(caller);
  setting.told();
  return {...setting, callers};
}

/** A line that contends, with so many in line. */
function setUpContending(waiting: number, given: Partial<Answers> = {}) {
  const setting = setUp(given);
  const callers = Array.from({length: waiting}, () => new Caller());
  for (const caller of callers) setting.line.enqueue(caller);
  setting.told();
  return {...setting, callers};
}

// Idle

test('an idle line becomes the holder as soon as its contender takes the lock', (t) => {
  const {line, told} = setUp();
  t.deepEqual([line.holder, line.waiting, line.isTaken()], [undefined, 0, false]);
  t.is(line.tryAcquire(entrance), 1);
  t.deepEqual(told(), ['tryTake']);
  t.is(line.holder, entrance);
  t.true(line.isTaken());
});

test('an idle line holds nothing where its contender cannot take the lock', (t) => {
  const {line} = setUp({tryTake: false});
  t.is(line.tryAcquire(entrance), 0);
  t.deepEqual([line.holder, line.acquisition], [undefined, 0]);
});

test('the lock is taken also if another thread has it', (t) => {
  const {line} = setUp({isTaken: true});
  t.is(line.holder, undefined);
  t.true(line.isTaken());
});

// Holding

test('nobody acquires a lock that is held, and the contender is not asked', (t) => {
  const {line, told} = setUpHolding(0);
  t.is(line.tryAcquire({lock: {}, onAbandoned: undefined}), 0);
  t.deepEqual(told(), []);
  t.is(line.holder, entrance);
});

test('whoever comes while the lock is held gets in line, and nobody contends', (t) => {
  const {line, told} = setUpHolding(0);
  line.enqueue(new Caller());
  line.enqueue(new Caller());
  t.deepEqual([told(), line.waiting], [[], 2]);
});

test('a lock that is released with nobody in line is freed in one step', (t) => {
  const {line, told} = setUpHolding(0, {tryFree: true});
  line.release();
  t.deepEqual([told(), line.holder], [['tryFree'], undefined]);
  t.is(line.tryAcquire(entrance), 2);
});

test('a lock that cannot be freed in one step is handed on', (t) => {
  for (const extendTenure of [true, false]) {
    const {line, told} = setUpHolding(0, {extendTenure});
    line.release();
    t.deepEqual(told(), ['tryFree', 'extendTenure 0', `handOn ${extendTenure} false`]);
    t.is(line.holder, undefined);
  }
});

test('the lock is passed along the line as long as it may go on', (t) => {
  const {line, callers, told} = setUpHolding(3);
  for (const [place, caller] of callers.entries()) {
    line.release();
    t.deepEqual(told(), [`extendTenure ${3 - place}`]);
    t.is(line.holder, caller.entrance);
    t.deepEqual(caller.admissions, [place + 2]);
    t.is(line.acquisition, place + 2);
    t.is(line.waiting, 2 - place);
  }
});

test('the lock is handed on where the line may not go on, and the line contends again', (t) => {
  const {line, callers, told, win} = setUpHolding(2, {extendTenure: false});
  line.release();
  t.deepEqual(told(), ['extendTenure 2', 'handOn false true']);
  t.deepEqual([line.holder, line.waiting], [undefined, 2]);
  t.deepEqual(callers[0]?.admissions, []);
  win();
  t.is(line.holder, callers[0]?.entrance);
  t.deepEqual(callers[0]?.admissions, [2]);
  t.deepEqual(callers[1]?.admissions, []);
});

test('those who gave up are passed over when the lock is passed on', (t) => {
  const {line, callers, told} = setUpHolding(3);
  callers[0]?.giveUp(line);
  callers[1]?.giveUp(line);
  t.deepEqual(told(), []);
  line.release();
  t.deepEqual(
    callers.map(({admissions}) => admissions),
    [[], [], [2]],
  );
});

test('a holder that finds that it does not own the lock releases nothing', (t) => {
  const lost = () => {
    throw new Error('The shared lock was taken from a thread that held it. Please report this.');
  };
  const {line, callers} = setUpHolding(1, {on: {extendTenure: lost}});
  t.throws(() => line.release(), {message: /was taken from a thread/});
  t.is(line.holder, entrance);
  t.deepEqual(callers[0]?.admissions, []);
});

// Contending

test('the first in line contends, the others get in line behind it', (t) => {
  const {line, told} = setUp();
  line.enqueue(new Caller());
  t.deepEqual([told(), line.waiting], [['contend'], 1]);
  line.enqueue(new Caller());
  t.deepEqual([told(), line.waiting], [[], 2]);
  t.is(line.holder, undefined);
});

test('nobody acquires the lock before those who are in line', (t) => {
  const {line, told} = setUpContending(1);
  t.is(line.tryAcquire(entrance), 0);
  t.deepEqual(told(), []);
});

test('the first in line is admitted when the contender has won', (t) => {
  const {line, callers, told, win} = setUpContending(2);
  win();
  t.is(line.holder, callers[0]?.entrance);
  t.deepEqual(
    callers.map(({admissions}) => admissions),
    [[1], []],
  );
  t.deepEqual([told(), line.waiting], [[], 1]);
});

test('a contender may win at once', (t) => {
  const {line, answers, win} = setUp();
  answers.on = {contend: win};
  const caller = new Caller();
  line.enqueue(caller);
  t.deepEqual(caller.admissions, [1]);
  t.is(line.holder, caller.entrance);
});

test('the contender withdraws when the last in line gives up, and not before', (t) => {
  const {line, callers, told} = setUpContending(3);
  callers[0]?.giveUp(line);
  callers[2]?.giveUp(line);
  t.deepEqual(told(), []);
  callers[1]?.giveUp(line);
  t.deepEqual(told(), ['withdraw']);
  t.is(line.waiting, 0);
});

test('the contender does not withdraw while its line holds the lock', (t) => {
  const {line, callers, told} = setUpHolding(1);
  callers[0]?.giveUp(line);
  line.recount();
  t.deepEqual(told(), []);
});

test('a line that contends again after its contender withdrew is served', (t) => {
  const {line, callers, told, win} = setUpContending(1);
  callers[0]?.giveUp(line);
  told();
  const next = new Caller();
  line.enqueue(next);
  t.deepEqual(told(), ['contend']);
  win();
  t.deepEqual(next.admissions, [1]);
});

test('recount finds who gave up without a word, and the contender withdraws after the last', (t) => {
  const {line, callers, told} = setUpContending(2);
  const [first, second] = callers as [Caller, Caller];
  first.isWaiting = false;
  line.recount();
  t.deepEqual([told(), line.waiting], [[], 1]);
  second.isWaiting = false;
  line.recount();
  t.deepEqual([told(), line.waiting], [['withdraw'], 0]);
});

// Heirs

/** What there is to see of a line from outside. */
const view = (line: CohortLine) => ({
  isTaken: line.isTaken(),
  tried: line.tryAcquire(entrance),
  heldBy: line.holder?.lock,
});

test('an heir is told before its code goes on, and the lock is held by nobody meanwhile', async (t) => {
  const events: unknown[] = [];
  const {line, told, win} = setUp({isHeir: true});
  const door: WaiterEntrance = {
    lock: {},
    onAbandoned: ({threadId}) => {
      const {isTaken, tried, heldBy} = view(line);
      events.push(`thread ${threadId} ended`, {isTaken, tried, isMine: heldBy === door.lock});
    },
    admitted: () => 'goes on',
    details: () => undefined,
    cancel: () => undefined,
  };
  const waiter = new Waiter(door);
  void waiter.wait(undefined, undefined).then((value) => events.push(value));
  line.enqueue(waiter);
  t.deepEqual(told(), ['captureContext', 'contend']);
  win();
  t.deepEqual(told(), ['tellHeir a context']);
  t.is(line.holder, door);
  await settle();
  t.deepEqual(events, ['thread 1001 ended', {isTaken: true, tried: 0, isMine: false}, 'goes on']);
});

test('an heir that is admitted does not hold the lock before it was told', (t) => {
  const {line, win} = setUp({isHeir: true});
  const holders: unknown[] = [];
  class Heir extends Caller {
    override admit(acquisition: number): void {
      holders.push(line.holder);
      super.admit(acquisition);
    }
  }
  const heir = new Heir();
  line.enqueue(heir);
  win();
  t.deepEqual(heir.admissions, [1]);
  t.not(holders[0], undefined);
  t.not(holders[0], heir.entrance);
  t.is(line.holder, heir.entrance);
});

test('an heir that did not wait is told before it has the lock', (t) => {
  const events: unknown[] = [];
  const {line, told} = setUp({isHeir: true});
  const heir: LineEntrance = {
    lock: {},
    onAbandoned: () => events.push({...view(line), heldBy: line.holder === heir}),
  };
  t.is(line.tryAcquire(heir), 1);
  t.deepEqual(events, [{isTaken: true, tried: 0, heldBy: false}]);
  t.is(line.holder, heir);
  t.deepEqual(told(), ['tryTake', 'tellHeir ']);
});

test('a caller that comes while the heir is told gets in line behind it', (t) => {
  const {line, told, win} = setUp({isHeir: true, tryFree: false});
  const late = new Caller();
  const heir = new Caller({lock: {}, onAbandoned: () => line.enqueue(late)});
  line.enqueue(heir);
  told();
  win();
  t.deepEqual(told(), ['tellHeir a context']);
  t.deepEqual([heir.admissions, late.admissions], [[1], []]);
  line.release();
  t.deepEqual(late.admissions, [2]);
});

test('a death is told also where the heir does not want to know', (t) => {
  const {line, told, win} = setUp({isHeir: true});
  const heir = new Caller();
  line.enqueue(heir);
  win();
  t.deepEqual(told(), ['contend', 'tellHeir ']);
  t.is(line.holder, heir.entrance);
});

test('whoever gets the lock from a thread that released it is told of nothing', (t) => {
  const onAbandoned: OnAbandoned = () => t.fail('Nobody ended.');
  const {line, win} = setUp({tryFree: false});
  line.enqueue(new Caller({lock: {}, onAbandoned}));
  line.enqueue(new Caller({lock: {}, onAbandoned}));
  win();
  line.release();
  t.is(line.acquisition, 2);
});

// Steps that were not finished

const outOfStack = () => {
  throw new RangeError('Maximum call stack size exceeded');
};

/** The contender fails this often, and works afterwards. */
function failing(times: number): () => void {
  let left = times;
  return () => {
    if (left-- > 0) outOfStack();
  };
}

test('a contender that throws when it contends begins once more in a microtask', async (t) => {
  const {line, told, win} = setUp({on: {contend: failing(1)}});
  const caller = new Caller();
  t.notThrows(() => line.enqueue(caller));
  t.deepEqual(told(), ['contend']);
  await settle();
  t.deepEqual(told(), ['recover', 'contend']);
  win();
  t.deepEqual(caller.admissions, [1]);
});

test('a contender that throws after it became the owner is found to be the owner', async (t) => {
  const {line, told} = setUp({recover: true, on: {contend: failing(1)}});
  const caller = new Caller();
  line.enqueue(caller);
  t.is(line.holder, undefined);
  await settle();
  t.deepEqual(told(), ['contend', 'recover']);
  t.is(line.holder, caller.entrance);
  t.deepEqual(caller.admissions, [1]);
});

test('a contender that throws withdraws if nobody waits any more', async (t) => {
  const {line, told} = setUp({on: {contend: failing(1)}});
  const caller = new Caller();
  line.enqueue(caller);
  caller.giveUp(line);
  t.deepEqual(told(), ['contend', 'withdraw']);
  await settle();
  t.deepEqual(told(), ['recover', 'withdraw']);
});

test('a contender that became the owner for somebody who gave up hands the lock on', async (t) => {
  const {line, told} = setUp({recover: true, on: {contend: failing(1)}});
  const caller = new Caller();
  line.enqueue(caller);
  caller.giveUp(line);
  told();
  await settle();
  t.deepEqual(told(), ['recover', 'handOn true false']);
  t.deepEqual([line.holder, caller.admissions], [undefined, []]);
});

test('nothing is recovered once somebody holds the lock', async (t) => {
  const {line, told, win} = setUp({on: {contend: failing(1)}});
  line.enqueue(new Caller());
  win();
  told();
  await settle();
  t.deepEqual(told(), []);
});

test('a try that throws holds nothing, and leaves no lock behind', async (t) => {
  for (const isOwner of [true, false]) {
    const {line, told} = setUp({recover: isOwner, on: {tryTake: failing(1)}});
    t.throws(() => line.tryAcquire(entrance), {instanceOf: RangeError});
    t.is(line.holder, undefined);
    await settle();
    t.deepEqual(told(), ['tryTake', 'recover', isOwner ? 'handOn true false' : 'withdraw']);
  }
});

test('a hand-over that throws is made up for in a microtask', async (t) => {
  const {line, callers, told} = setUpHolding(1, {
    extendTenure: false,
    recover: true,
    on: {handOn: failing(1)},
  });
  t.notThrows(() => line.release());
  t.deepEqual(told(), ['extendTenure 1', 'handOn false true']);
  t.is(line.holder, undefined);
  await settle();
  t.deepEqual(told(), ['recover']);
  t.deepEqual(callers[0]?.admissions, [2]);
});

test('a thread that got the lock for a caller that it cannot admit yet still owns it', (t) => {
  const {line, told, win} = setUp();
  const caller = new Caller();
  caller.isUnlucky = true;
  line.enqueue(caller);
  line.enqueue(new Caller());
  t.throws(win, {instanceOf: RangeError});
  t.deepEqual([line.holder, line.acquisition, line.waiting], [undefined, 0, 2]);
  t.deepEqual(told(), ['contend']);
  win();
  t.deepEqual(caller.admissions, [1]);
  t.is(line.waiting, 1);
});

test('a release whose admission throws has done nothing, and can be repeated', (t) => {
  const {line, callers} = setUpHolding(1, {extendTenure: true});
  const {holder, acquisition} = line;
  const [next] = callers;
  if (next === undefined) return t.fail();
  next.isUnlucky = true;
  t.throws(() => line.release(), {instanceOf: RangeError});
  t.deepEqual([line.holder, line.acquisition, line.waiting], [holder, acquisition, 1]);
  line.release();
  t.deepEqual(next.admissions, [acquisition + 1]);
  t.is(line.waiting, 0);
});

test('a thread that got the lock for callers who went without a word hands it on', (t) => {
  const {line, told, win} = setUp();
  const caller = new Caller();
  line.enqueue(caller);
  caller.isWaiting = false;
  told();
  win();
  t.deepEqual(told(), ['handOn true false']);
  t.deepEqual([line.holder, line.waiting], [undefined, 0]);
});

// What a line says

test('a line tells which thread owns the lock', (t) => {
  const {line, answers} = setUp();
  t.deepEqual(line.details(), {ownerThreadId: undefined});
  t.is(line.describe(), 'free');
  answers.ownerThreadId = 7;
  t.deepEqual(line.details(), {ownerThreadId: 7});
  t.is(line.describe(), 'held by thread 7');
});

test('a line tells where the lock is held that cannot be released', (t) => {
  const {line, answers} = setUp();
  t.regex(line.notHeldError(undefined).message, /a lock that is not held\. /);
  answers.ownerThreadId = 7;
  t.regex(line.notHeldError(undefined).message, /thread 7 holds it/);
  line.tryAcquire(entrance);
  t.regex(line.notHeldError(undefined).message, /another lock object of this thread holds it/);
});

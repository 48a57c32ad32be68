// By a clock, and random numbers, that the test moves by hand.
import test from 'ava';
import {advance, chance, dueIn, keepToLoaded, timersLeft} from '../support/handClock.js';
import {POLLS, type Cells} from '../../src/shared/memory/layout.js';
import {countPoll} from '../../src/shared/memory/waiters.js';
import {PollTimer} from '../../src/shared/pollTimer.js';
import {createEntry} from '../support/waiting.js';

keepToLoaded();

/** A timer, with a count of its polls; it polls again only when the test says so. */
function setUp() {
  chance.next = 0;
  // What the test before has left.
  advance(10_000);
  const {cells} = createEntry();
  const polls = {count: 0};
  const timer = new PollTimer(cells, () => polls.count++);
  return {cells, timer, polls};
}

/** Some other threads poll once each. */
function pollAsOthers(cells: Cells, threads: number): void {
  for (let n = 0; n < threads; n++) countPoll(cells);
}

/** The interval of a thread that has polled twice, the other threads once in between. */
function intervalAmong(
  cells: Cells,
  timer: PollTimer,
  threads: number,
  sinceProbe = 0,
): number | undefined {
  timer.start(undefined);
  timer.next(undefined, sinceProbe);
  pollAsOthers(cells, threads - 1);
  timer.next(undefined, sinceProbe);
  return dueIn()[0];
}

test('the first poll is after 100 milliseconds, and there is one', (t) => {
  const {timer, polls} = setUp();
  timer.start(undefined);
  t.deepEqual(dueIn(), [100]);
  advance(99);
  t.is(polls.count, 0);
  advance(1);
  t.is(polls.count, 1);
  advance(10_000);
  t.is(polls.count, 1);
});

test('a timer keeps its thread alive', (t) => {
  const {timer} = setUp();
  timer.start(undefined);
  t.deepEqual(
    timersLeft().map(({keepsAlive}) => keepsAlive),
    [true],
  );
});

test('a timer that was stopped does not poll', (t) => {
  const {timer, polls} = setUp();
  timer.start(undefined);
  timer.stop();
  timer.stop();
  t.deepEqual(dueIn(), []);
  advance(1000);
  t.is(polls.count, 0);
});

test('a timer that is started again polls once', (t) => {
  const {timer, polls} = setUp();
  timer.start(undefined);
  advance(50);
  timer.start(undefined);
  t.deepEqual(dueIn(), [50], 'as early as it would have');
  advance(1000);
  t.is(polls.count, 1);
});

test('a timer that would poll late polls early once somebody else begins to contend', (t) => {
  const {cells, timer, polls} = setUp();
  t.is(intervalAmong(cells, timer, 30), 2160);
  timer.start(undefined);
  t.deepEqual(dueIn(), [100]);
  timer.start(5);
  t.deepEqual(dueIn(), [5]);
  timer.start(undefined);
  t.deepEqual(dueIn(), [5]);
  advance(10_000);
  t.is(polls.count, 1);
});

test('polls come up to a twentieth earlier, at random', (t) => {
  const {timer} = setUp();
  chance.next = 1;
  timer.start(undefined);
  t.deepEqual(dueIn(), [95]);
  timer.next(undefined, 0);
  t.deepEqual(dueIn(), [95]);
  chance.next = 0.5;
  timer.next(undefined, 0);
  t.deepEqual(dueIn(), [97.5]);
});

test('a poll for which there is a reason comes when that is', (t) => {
  const {timer} = setUp();
  chance.next = 1;
  timer.start(5);
  t.deepEqual(dueIn(), [5]);
  timer.next(7, 0);
  t.deepEqual(dueIn(), [7]);
  timer.next(undefined, 0);
  t.deepEqual(dueIn(), [95]);
});

test('a thread that contends alone polls ten times a second', (t) => {
  const {timer} = setUp();
  timer.start(undefined);
  for (let n = 0; n < 5; n++) {
    timer.next(undefined, 0);
    t.deepEqual(dueIn(), [100]);
  }
});

test('a thread polls less often the more threads poll', (t) => {
  for (const [threads, interval] of [
    [1, 100],
    [2, 144],
    [10, 720],
    [30, 2160],
    [100, 7200],
  ] as const) {
    const {cells, timer} = setUp();
    t.is(intervalAmong(cells, timer, threads), interval, `${threads} poll`);
    timer.stop();
  }
});

test('polls of all threads are counted also where their number wraps around', (t) => {
  for (const before of [2 ** 31 - 3, -3]) {
    const {cells, timer} = setUp();
    cells[POLLS] = before;
    t.is(intervalAmong(cells, timer, 10), 720);
    timer.stop();
  }
});

test('one of many polls within 2.9 seconds of the last probe', (t) => {
  for (const [threads, ago, interval] of [
    [30, 0, 2160],
    [30, 700, 2160],
    [35, 0, 2520],
    [35, 500, 2400],
    [35, 700, 2200],
    [40, 600, 2300],
    [100, 500, 6700],
  ] as const) {
    const {cells, timer} = setUp();
    t.is(intervalAmong(cells, timer, threads, ago), interval, `${threads} poll, ${ago} ms after`);
    timer.stop();
  }
});

test('a probe that is long ago is no reason to poll more often than after 0.7 seconds', (t) => {
  for (const ago of [700, 701, 60_000]) {
    const {cells, timer} = setUp();
    t.is(intervalAmong(cells, timer, 40, ago), 2200, `${ago} ms after`);
    timer.stop();
  }
});

test('where nobody owns the lock, a thread polls as often as where nobody has probed the owner', (t) => {
  const {cells, timer} = setUp();
  t.is(intervalAmong(cells, timer, 40, Infinity), 2200);
});

test('a thread that finds itself among many polls next at any time', (t) => {
  const {cells, timer} = setUp();
  chance.next = 0.75;
  t.is(intervalAmong(cells, timer, 10), 180);
  pollAsOthers(cells, 9);
  timer.next(undefined, 0);
  t.deepEqual(dueIn(), [720 * (1 - 0.05 * 0.75)], 'and from then on about as often');
});

test('a thread that begins to contend again does not count what others polled meanwhile', (t) => {
  const {cells, timer} = setUp();
  intervalAmong(cells, timer, 30);
  pollAsOthers(cells, 100);
  timer.start(undefined);
  t.deepEqual(dueIn(), [100]);
  timer.next(undefined, 0);
  t.deepEqual(dueIn(), [100]);
});

// A part of `npm run test:interleavings`, the same each time.
import test from 'ava';
import {ScenarioSearch, Search, replay} from './search.js';
import {faults} from './faults.js';
import {scenarios} from './scenarios.js';

const SEED = 1;
const EXECUTIONS = 25;

for (const name of Object.keys(scenarios)) {
  test.serial(`no execution of "${name}" breaks a promise`, (t) => {
    const search = new ScenarioSearch(name, SEED);
    search.explore(EXECUTIONS);
    t.is(search.failure, undefined);
    t.true(search.progress.executions > 10);
  });
}

/** Quickly found ones. */
for (const fault of [
  'release-does-not-notify',
  'test-then-set',
  'waits-without-the-waiting-bit',
  'loses-the-abandoned-mark',
  'stays-in-line-after-its-timeout',
] satisfies (keyof typeof faults)[]) {
  test.serial(`the planted fault "${fault}" is found, and can be replayed`, (t) => {
    const search = new Search(SEED, fault);
    const failure = search.run(() => search.executions > 2_000);
    t.truthy(failure);
    t.is(
      replay(failure?.replay ?? '', () => undefined),
      failure?.failure,
    );
  });
}

test('every planted fault fits the sources', (t) => {
  for (const fault of Object.keys(faults)) {
    t.notThrows(() => new ScenarioSearch('acquire-and-release', SEED, fault), fault);
  }
});

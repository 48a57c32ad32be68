// npm run test:interleavings -- [--seconds N] [--seed S] [--faults] [--replay TOKEN]
import {parseArgs} from 'node:util';
import {numberOption} from '../support/options.js';
import {faults} from './faults.js';
import {Search, replay, type Failure} from './search.js';

const COMMAND = 'npm run test:interleavings --';

const {values} = parseArgs({
  options: {
    seconds: {type: 'string', default: '60'},
    seed: {type: 'string', default: String(Date.now() % 1_000_000)},
    faults: {type: 'boolean', default: false},
    replay: {type: 'string'},
  },
});
const seconds = numberOption('seconds', values.seconds);
const seed = numberOption('seed', values.seed);

/** After so many executions a fault counts as not found. */
const MOST_EXECUTIONS_FOR_A_FAULT = 500_000;

const now = () => performance.now() / 1_000;
const count = (number: number) => number.toLocaleString('en');

function report({failure, replay: token}: Failure): void {
  console.log(`\nFAILED: ${failure}\n`);
  replay(token, (line) => console.log(line));
  console.log(`\nAgain (seed ${seed}): ${COMMAND} --replay '${token}'`);
}

function explore(): boolean {
  const search = new Search(seed);
  const start = now();
  let shown = start;
  console.log(`Exploring ${search.perScenario.length} scenarios for ${seconds} s, seed ${seed}.`);
  const failure = search.run(() => {
    if (now() - shown > 5) {
      shown = now();
      const rate = search.executions / (shown - start);
      console.log(
        `${Math.round(shown - start)} s: ${count(search.executions)} executions, ${count(Math.round(rate))} a second`,
      );
    }
    return now() - start > seconds;
  });
  for (const {scenario, progress, isComplete} of search.perScenario) {
    const {executions, repeated, preemptions} = progress;
    const how =
      preemptions === undefined
        ? ''
        : `, all with up to ${preemptions} preemptions${isComplete ? '' : ', and more'}`;
    const same = repeated === 0 ? '' : ` (${count(repeated)} cut short in a state that was known)`;
    console.log(`${scenario.padEnd(34)}${count(executions).padStart(10)} executions${same}${how}`);
  }
  console.log(`${count(search.executions)} executions in ${Math.round(now() - start)} s.`);
  if (failure !== undefined) report(failure);
  return failure === undefined;
}

function exploreFaults(): boolean {
  let found = 0;
  for (const fault of Object.keys(faults)) {
    const search = new Search(seed, fault);
    const failure = search.run(() => search.executions > MOST_EXECUTIONS_FOR_A_FAULT);
    const executions = count(search.executions).padStart(8);
    if (failure === undefined)
      console.log(`${fault.padEnd(36)}${executions} executions: NOT FOUND`);
    else {
      found++;
      const [first] = failure.failure.split('\n');
      console.log(
        `${fault.padEnd(36)}${executions} executions: ${first ?? ''}\n    --replay '${failure.replay}'`,
      );
    }
  }
  console.log(`${found} of ${Object.keys(faults).length} faults found, seed ${seed}.`);
  return found === Object.keys(faults).length;
}

function replayOne(token: string): boolean {
  const failure = replay(token, (line) => console.log(line));
  console.log(failure === undefined ? '\nNothing failed.' : `\nFAILED: ${failure}`);
  return failure === undefined;
}

const isGood =
  values.replay !== undefined
    ? replayOne(values.replay)
    : values.faults
      ? exploreFaults()
      : explore();
process.exitCode = isGood ? 0 : 1;

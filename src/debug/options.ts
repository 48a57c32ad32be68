import {constants} from 'node:os';
import {assertOptions, assertType, badValueError} from '../errors.js';
import type {WatchLocksOptions} from './types.js';

const NAMES = [
  'heldMilliseconds',
  'waitingMilliseconds',
  'onReport',
  'stacks',
  'snapshotSignal',
  'snapshotChannel',
  'onSnapshot',
] as const satisfies (keyof WatchLocksOptions)[];

/** @throws `TypeError` or `RangeError` if one of the options is not valid */
export function checkWatchOptions(options: WatchLocksOptions): void {
  assertOptions(options, `watchLocks({${NAMES.join(', ')}})`, NAMES);
  const types = {
    heldMilliseconds: 'number',
    waitingMilliseconds: 'number',
    onReport: 'function',
    stacks: 'boolean',
    snapshotSignal: 'string',
    snapshotChannel: 'string',
    onSnapshot: 'function',
  } as const;
  for (const name of NAMES) {
    const value = options[name];
    if (value === undefined) continue;
    assertType(value, types[name], `${name} to be a ${types[name]}`);
    if (types[name] === 'number' && !((value as number) > 0)) {
      throw badValueError(RangeError, `${name} to be more than 0`, value as number);
    }
  }
  const {snapshotSignal} = options;
  if (snapshotSignal !== undefined && !(snapshotSignal in constants.signals)) {
    const expected = 'snapshotSignal to be a signal such as SIGUSR2';
    throw badValueError(RangeError, expected, snapshotSignal);
  }
}

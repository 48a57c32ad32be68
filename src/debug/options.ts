import {constants} from 'node:os';
import {assertOptions, assertType, badValueError} from '../errors.js';
import type {LockReport, LockState} from './reports.js';

export interface WatchLocksOptions {
  /** A lock that is held for longer is reported; 5,000 unless given, `Infinity` for never. */
  heldMilliseconds?: number | undefined;

  /** A call that waits for longer is reported; 5,000 unless given, `Infinity` for never. */
  waitingMilliseconds?: number | undefined;

  /** Gets each report. Without it the report's text is printed by `console.warn`. */
  onReport?: ((report: LockReport) => void) | undefined;

  /**
   * Whether to capture where each lock is acquired and awaited. Without that a call costs little,
   * and reports tell no places but those that are found out while a call waits. `true` unless
   * given.
   */
  stacks?: boolean | undefined;

  /** At this signal, `'SIGUSR2'` for example, what is held and awaited is printed as a table. */
  snapshotSignal?: NodeJS.Signals | undefined;

  /** The same, when something is published on the `node:diagnostics_channel` of this name. */
  snapshotChannel?: string | undefined;

  /** Gets what is held and awaited, instead of having it printed. */
  onSnapshot?: ((states: LockState[]) => void) | undefined;
}

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
    const expected = 'snapshotSignal to be a signal, SIGUSR2 for example';
    throw badValueError(RangeError, expected, snapshotSignal);
  }
}

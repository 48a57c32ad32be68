/**
 * Watches all locks from the start of a program: `node --import @databases/lock/debug/register`.
 *
 * The environment variable `DATABASES_LOCK_WATCH` sets options of `watchLocks`, for example
 * `heldMilliseconds=1000 waitingMilliseconds=2000 stacks=false snapshotSignal=SIGUSR2`.
 */
import process from 'node:process';
import {watchLocks, type WatchLocksOptions} from './index.js';

const VARIABLE = 'DATABASES_LOCK_WATCH';

function readOptions(text: string): WatchLocksOptions {
  const options: Record<string, unknown> = {};
  for (const part of text.split(/[\s,]+/).filter(Boolean)) {
    const [, name, value] = /^(\w+)=(.+)$/.exec(part) ?? [];
    if (name === undefined || value === undefined) {
      throw new TypeError(`Expected ${VARIABLE} to be name=value pairs, but got "${part}".`);
    }
    options[name] = readValue(name, value);
  }
  return options;
}

function readValue(name: string, value: string): unknown {
  if (name.endsWith('Milliseconds')) return Number(value);
  if (value === 'true' || value === 'false') return value === 'true';
  return value;
}

watchLocks(readOptions(process.env[VARIABLE] ?? ''));

/** The reports on locks, as data and as text. */
import {inspect} from 'node:util';
import {now} from './clock.js';
import type {Step} from './deadlocks.js';
import type {Acquisition, Wait} from './records.js';
import {callersFrames, placeOf} from './stacks.js';
import type {LockReport, LockState} from './types.js';
import type {Line} from '../line/protocol.js';
import type {WatchedEntrance} from '../line/watching.js';

// Names

const numbers = new WeakMap<Line, number>();
let lines = 0;

function nameOf(entrance: WatchedEntrance): string {
  const {name} = entrance.settings;
  if (name !== undefined) return name;
  let number = numbers.get(entrance.line);
  if (number === undefined) numbers.set(entrance.line, (number = ++lines));
  return `unnamed lock ${number}`;
}

const keyOf = (entrance: WatchedEntrance): string | undefined => {
  const details = entrance.line.details();
  return details && 'key' in details ? inspect(details.key, {depth: 0}) : undefined;
};

/** `'accounts'`, or `'accounts' (key 'ada')`. */
function quote(entrance: WatchedEntrance): string {
  const key = keyOf(entrance);
  const {name} = entrance.settings;
  const quoted = name === undefined ? nameOf(entrance) : `'${name}'`;
  return key === undefined ? quoted : `${quoted} (key ${key})`;
}

/** The same, to follow an article. */
const describe = (entrance: WatchedEntrance): string =>
  entrance.settings.name === undefined ? quote(entrance) : `lock ${quote(entrance)}`;

// States

export function stateOfAcquisition(acquisition: Acquisition): LockState {
  const {entrance} = acquisition;
  acquisition.since ??= now();
  return stateOf(entrance, 'held', acquisition.since, callersFrames(acquisition.call));
}

/** `entrance` tells the lock, because a call for several locks waits for each of them. */
export function stateOfWait(wait: Wait, entrance: WatchedEntrance): LockState {
  return stateOf(entrance, 'waiting', wait.since, wait.frames());
}

function stateOf(
  entrance: WatchedEntrance,
  state: LockState['state'],
  since: number,
  frames: readonly string[],
): LockState {
  const milliseconds = Math.round(now() - since);
  return {
    lock: nameOf(entrance),
    key: keyOf(entrance),
    state,
    milliseconds,
    since: new Date(Date.now() - milliseconds),
    at: placeOf(frames),
    threadId: entrance.line.details()?.ownerThreadId,
    stack: frames.length > 0 ? frames.join('\n') : undefined,
  };
}

// Texts

const duration = (milliseconds: number) => `${milliseconds.toLocaleString('en')} ms`;

const indent = (text: string) => text.replace(/^/gm, '    ');

/** Tells where and since when a call was made, and its stack below that. */
function tellCall(what: string, {milliseconds, since, at, stack}: LockState): string {
  const time = since.toISOString().slice(11, 23);
  const head = `  ${what} for ${duration(milliseconds)}, since ${time}`;
  if (at === undefined) return `${head}.`;
  const below = stack?.split('\n').slice(1).join('\n');
  return `${head}, at ${at}${below ? `\n${indent(below)}` : ''}`;
}

const count = (waiters: number) => {
  if (waiters === 0) return 'nobody waits behind it';
  return waiters === 1 ? '1 call waits behind it' : `${waiters} calls wait behind it`;
};

/** How many of the calls that wait are listed. */
const LISTED = 10;

function tellOthers(waits: readonly LockState[]): string[] {
  const told = waits.slice(0, LISTED).map((state) => tellCall('waiting', {...state, stack: ''}));
  const left = waits.length - told.length;
  return left > 0 ? [...told, `  and ${left} more.`] : told;
}

export function reportHeld(acquisition: Acquisition, waits: readonly Wait[]): LockReport {
  const {entrance} = acquisition;
  const held = stateOfAcquisition(acquisition);
  const waiting = waits.map((wait) => stateOfWait(wait, entrance));
  const verb = acquisition.isOver ? 'was held' : 'has been held';
  const lines = [
    `The ${describe(entrance)} ${verb} for ${duration(held.milliseconds)}; ${count(waits.length)}.`,
    tellCall('held', held),
    ...tellOthers(waiting),
  ];
  return {
    kind: 'held',
    certainty: 'proved',
    text: lines.join('\n'),
    calls: [held, ...waiting],
  };
}

export function reportWaiting(
  wait: Wait,
  entrance: WatchedEntrance,
  holder: Acquisition | undefined,
  behind: readonly Wait[],
): LockReport {
  const own = stateOfWait(wait, entrance);
  const held = holder && stateOfAcquisition(holder);
  const others = behind.map((other) => stateOfWait(other, entrance));
  const waited = duration(own.milliseconds);
  const lines = [
    `A call has been waiting for the ${describe(entrance)} for ${waited}; ${count(behind.length)}.`,
    tellCall('waiting', own),
    held ? tellCall('held', held) : tellUnknownHolder(entrance),
    ...tellOthers(others),
  ];
  return {
    kind: 'waiting',
    certainty: 'proved',
    text: lines.join('\n'),
    calls: [own, ...(held ? [held] : []), ...others],
  };
}

/** @param holderOf finds the acquisition for which a call waits */
export function reportExit(
  waits: readonly Wait[],
  holderOf: (wait: Wait) => Acquisition | undefined,
): LockReport {
  const lines: string[] = [];
  const calls: LockState[] = [];
  for (const wait of waits) {
    const {entrance} = wait;
    if (!entrance) continue;
    const waiting = stateOfWait(wait, entrance);
    const holder = holderOf(wait);
    const held = holder && stateOfAcquisition(holder);
    lines.push(tellCall(`waiting for the ${describe(entrance)}`, {...waiting, stack: ''}));
    lines.push(held ? `  ${tellCall('held', {...held, stack: ''})}` : tellUnknownHolder(entrance));
    calls.push(waiting, ...(held ? [held] : []));
  }
  const left = lines.length - 2 * LISTED;
  const text = [
    'The process ends while calls wait for locks, because nothing else is left to do:',
    ...lines.slice(0, 2 * LISTED),
    ...(left > 0 ? [`  and ${left / 2} more.`] : []),
  ].join('\n');
  return {kind: 'exit', certainty: 'proved', text, calls};
}

function tellUnknownHolder(entrance: WatchedEntrance): string {
  const id = entrance.line.details()?.ownerThreadId;
  return id === undefined
    ? '  held since before the watch began.'
    : `  held by thread ${id}, whose own watcher can tell more.`;
}

/** @param holds finds the acquisition for which a step's call waits */
export function reportCircle(
  steps: readonly Step[],
  holds: (wait: Wait) => Acquisition | undefined,
): LockReport {
  // A call for several locks waits for no lock as a whole. Each of its waits does.
  const links = steps.flatMap(({wait}) => {
    const {entrance} = wait;
    const held = holds(wait);
    return entrance && held ? [{wait, entrance, held: stateOfAcquisition(held)}] : [];
  });
  const isCertain = steps.every(({holder}, place) => {
    const next = steps[(place + 1) % steps.length];
    return next?.wait.awaiters.get(holder) === 'proved';
  });
  const parties = links.map(({entrance, held}, place) => {
    const next = links[(place + 1) % links.length] as (typeof links)[number];
    const awaits = stateOfWait(next.wait, next.entrance);
    return {
      held,
      awaits,
      described: describe(entrance),
      holds: quote(entrance),
      waitsFor: quote(next.entrance),
    };
  });
  const [first] = parties;
  const isOne = parties.length === 1 && first !== undefined;
  const lines = isOne
    ? [
        `The ${first.described} waits for itself: its holder waits for a call that waits for this lock.`,
        tellCall('held', first.held),
        tellCall('waiting', first.awaits),
      ]
    : [
        `Deadlock: ${parties.length} holders wait for each other in a circle.`,
        ...parties.map(({held, awaits, holds: own, waitsFor}, place) => {
          const party = `  ${letter(place)}, at ${awaits.at ?? 'an unknown place'}`;
          const since = held.at === undefined ? '' : `, acquired at ${held.at},`;
          return `${party}, holds ${own}${since} and waits for ${waitsFor}.`;
        }),
      ];
  if (!isCertain) lines.push(`  ${GUESS}`);
  return {
    kind: isOne ? 'waits-for-itself' : 'deadlock',
    certainty: isCertain ? 'proved' : 'likely',
    text: lines.join('\n'),
    calls: parties.flatMap(({held, awaits}) => [held, awaits]),
  };
}

const GUESS =
  'This is likely but not certain: anybody may release a lock that acquire or acquireLock acquired.';

const letter = (place: number): string =>
  place < 26 ? String.fromCharCode(65 + place) : `number ${place + 1}`;

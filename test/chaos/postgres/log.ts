/** What the processes of a run write, and what is made of it. */

export const PROCESSES = 4;
export const CALLERS = 6;
export const KEYS = 3;
export const NAMESPACE = 'chaos';

/** What a process is given, as JSON. */
export interface ChildData {
  readonly url: string;
  readonly poolerUrl: string | undefined;
  readonly name: string;
  readonly file: string;
  readonly seed: number;
  /** Whether its network may be cut. */
  readonly isApart: boolean;
}

export type Kind = 'enter' | 'told' | 'leave' | 'refused' | 'wrong' | 'done';

/** What was done to the processes, their sessions or the server. */
export interface Blow {
  readonly at: number;
  readonly what: string;
  /** The process that it was about; nothing if it was about all. */
  readonly name?: string;
}

/** One holder's time inside. */
interface Stay {
  readonly name: string;
  readonly key: string;
  readonly from: number;
  /** When it was told that it had lost the lock. */
  told?: number;
  /** When it left, or its process died. */
  to: number;
  isKilled: boolean;
}

export interface Findings {
  readonly stays: number;
  readonly refusals: number;
  readonly wrong: readonly string[];
  /** Times in which two were inside, one of which had not been told that it had lost the lock. */
  readonly overlaps: ReadonlyArray<{milliseconds: number; after: string | undefined}>;
  /** From a blow to a session until its holder was told, in milliseconds, by the kind of blow. */
  readonly told: ReadonlyMap<string, readonly number[]>;
  /** From a blow to a holder until the next one entered. */
  readonly next: ReadonlyMap<string, readonly number[]>;
}

/** For how long a process stands still at most, and until it has made up for it. */
export const STOPPED_MILLISECONDS = 3000;

/**
 * For how long at most a holder is not told of what freed its lock: it stood still, and then its network
 * was cut.
 */
const FREED_MILLISECONDS = 15_000;

/** For how long at most a network is cut. */
export const PARTITION_MILLISECONDS = 48_000;

/** @param logs what each process wrote, by its name */
export function judge(logs: ReadonlyMap<string, string>, blows: readonly Blow[]): Findings {
  const wrong: string[] = [];
  let refusals = 0;
  const stays: Stay[] = [];
  for (const [name, text] of logs) {
    const open = new Map<string, Stay>();
    const killedAt = blows.find((blow) => blow.name === name && blow.what === 'kill -9')?.at;
    for (const line of text.split('\n')) {
      if (!line.includes(' ')) continue;
      const [time, kind, key, section] = line.split(' ') as [string, Kind, string, string];
      const at = Number(time) / 1e6;
      if (kind === 'wrong') wrong.push(`${name}: ${key}`);
      if (kind === 'refused') refusals++;
      if (kind === 'enter') {
        open.set(section, {name, key, from: at, to: killedAt ?? Infinity, isKilled: true});
        stays.push(open.get(section) as Stay);
      }
      const stay = open.get(section);
      if (stay === undefined) continue;
      if (kind === 'told') stay.told = at;
      if (kind === 'leave') {
        stay.to = at;
        stay.isKilled = false;
        open.delete(section);
      }
    }
  }
  const told = new Map<string, number[]>();
  const next = new Map<string, number[]>();
  const add = (to: Map<string, number[]>, what: string, figure: number) => {
    to.set(what, [...(to.get(what) ?? []), figure]);
  };
  for (const blow of blows) {
    for (const stay of stays) {
      if (stay.from > blow.at || stay.to < blow.at) continue;
      if (blow.name !== undefined && blow.name !== stay.name) continue;
      if (stay.told !== undefined && stay.told >= blow.at)
        add(told, blow.what, stay.told - blow.at);
      if (!stay.isKilled && stay.told === undefined) continue;
      const after = stays.filter(
        ({key, from, name}) => key === stay.key && from > blow.at && name !== stay.name,
      );
      const first = Math.min(...after.map(({from}) => from));
      if (first < Infinity) add(next, blow.what, first - blow.at);
    }
  }
  return {stays: stays.length, refusals, wrong, overlaps: findOverlaps(stays, blows), told, next};
}

/**
 * One for each stay that went on without having been told of its loss when another began, from the
 * first other until its end.
 */
function findOverlaps(stays: readonly Stay[], blows: readonly Blow[]): Findings['overlaps'] {
  const overlaps: Array<{milliseconds: number; after: string | undefined}> = [];
  const byKey = new Map<string, Stay[]>();
  for (const stay of stays) byKey.set(stay.key, [...(byKey.get(stay.key) ?? []), stay]);
  for (const ofKey of byKey.values()) {
    ofKey.sort((a, b) => a.from - b.from);
    const inside = new Set<Stay>();
    for (const stay of ofKey) {
      for (const other of inside) {
        const end = Math.min(other.told ?? Infinity, other.to);
        const isOfOneProcess = other.name === stay.name;
        // In its own process it keeps the others out even when it has been told.
        const until = isOfOneProcess ? other.to : end;
        if (until > stay.from) {
          const after = isOfOneProcess ? undefined : explain(other, stay.from, end, blows);
          overlaps.push({milliseconds: until - stay.from, after});
          inside.delete(other);
        } else if (other.to <= stay.from) inside.delete(other);
      }
      inside.add(stay);
    }
  }
  return overlaps;
}

/** @returns what freed the lock of `stay` before `next`, and why it was told so late, if anything did */
function explain(
  stay: Stay,
  next: number,
  end: number,
  blows: readonly Blow[],
): string | undefined {
  const concerning = blows.filter(({name}) => name === undefined || name === stay.name);
  const freed = concerning.filter(
    ({what, at}) =>
      ['terminate', 'restart', 'crash'].includes(what) &&
      at < next &&
      end - at < FREED_MILLISECONDS,
  );
  const {what} = freed.at(-1) ?? {};
  if (what === undefined) return undefined;
  const isLate = (kind: string, milliseconds: number) =>
    concerning.some((blow) => blow.what === kind && blow.at < end && end - blow.at < milliseconds);
  if (isLate('partition', PARTITION_MILLISECONDS)) return `${what}, behind a partition`;
  if (isLate('stop', STOPPED_MILLISECONDS)) return `${what}, of a process that stood still`;
  return what;
}

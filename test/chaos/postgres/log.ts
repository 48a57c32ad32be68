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

/** For how long a blow explains what comes after it. */
const patienceOf = (what: string) => (what === 'partition' ? 60_000 : 10_000);

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
        if (end <= stay.from) {
          inside.delete(other);
          // In its own process it keeps the others out even then.
          if (other.name === stay.name && other.to > stay.from) {
            overlaps.push({milliseconds: other.to - stay.from, after: undefined});
          }
          continue;
        }
        const causes = blows.filter(
          ({at, what, name}) =>
            at <= end &&
            end - at < patienceOf(what) &&
            (name === undefined || name === other.name) &&
            what !== 'stop',
        );
        const cause = causes.at(-1)?.what;
        const isStopped = blows.some(
          ({at, what, name}) =>
            what === 'stop' && name === other.name && at < end && end - at < STOPPED_MILLISECONDS,
        );
        const after =
          cause !== undefined && isStopped ? `${cause}, of a process that stood still` : cause;
        overlaps.push({
          milliseconds: end - stay.from,
          after: other.name === stay.name ? undefined : after,
        });
      }
      inside.add(stay);
    }
  }
  return overlaps;
}

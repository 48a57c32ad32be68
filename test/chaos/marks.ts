/**
 * What the threads of a run tell each other, in shared memory that has nothing to do with the
 * lock's: who is inside, who lives, who was told of whom. Every check of a run is made here.
 *
 * "Dead" is decided on the safe side. A thread counts as living until its end was begun: the killer
 * writes that down before it calls `terminate` or `abort`, the thread itself right before it ends.
 * From then on another may have its lock, but only after it has run its last line: a thread that
 * still writes here after somebody was told of its death, or finds another's mark at the end of its
 * section, was robbed.
 *
 * A run numbers its threads, main is 0. The lock may know them by other numbers. Each thread writes
 * down its own, as soon as it can see it in the lock's memory: before its first section. Whoever is
 * told of a number that no thread has written down yet is told of a thread that was in no section,
 * for example because it ended on its way there. Then a stand-in takes its place: it may be dead, as
 * far as anybody knows, and a thread that comes to have that number later lives on after its death
 * was reported.
 */

/** How a thread ends. `lives` is not an end, and `done` is the orderly one when the run is over. */
export const ENDS = [
  'lives',
  'terminate',
  'exit',
  'error',
  'out of memory',
  'abort',
  'done',
] as const;
export type End = (typeof ENDS)[number];

/** Where in its work a thread is to end itself. */
export const MOMENTS = ['any', 'admitted', 'inside', 'leaving', 'told'] as const;
export type Moment = (typeof MOMENTS)[number];

/** What a thread does, as far as the killer cares. */
export const DOING = {anything: 0, inside: 1, blocked: 2} as const;

export const WRONGS = [
  'none',
  'overlap: a living thread is still inside',
  'overlap: another has entered before the section ended',
  'overlap: a thread went on after its death had been reported',
  'a mark was left by a dead thread, and nobody was told',
  'onAbandoned names a living thread',
  'onAbandoned reports a thread that was reported before',
  'onAbandoned was called through another object than the one whose caller entered',
  'overlap in the crowd: a living thread is still inside',
  'overlap in the crowd: another has entered before the section ended',
  'in the crowd, a mark was left by a dead thread, and nobody was told',
  'in the crowd, onAbandoned names a living thread',
  'in the crowd, onAbandoned was called while a living thread was inside',
  'two threads have had one number in the lock',
  'a caller got an unexpected error',
  'a thread ended by itself',
] as const;
export type Wrong = (typeof WRONGS)[number];

export const CALLERS = 8;

/** How many keys the crowd has, which are numbered. */
export const CROWD = 1000;

const START = 0; // milliseconds on the clock of the machine
const INSIDE = 1; // the thread, counted from 1
const STOP = 2;
const WRONG = 3; // the first one, and who found it about whom
const FINDER = 4;
const ABOUT = 5;
const OVERLAPS = 6;
const NOT_TOLD = 7;
const RETOLD = 8;
const ACQUISITIONS = 9;
const TIMEOUTS = 10;
const ACQUIRED_AT = 11;
const LONGEST_WAIT = 12;
const MARKS_LEFT = 13;
const CROWD_ACQUISITIONS = 14;
const CROWD_INHERITED = 15;
const CROWD_NOT_TOLD = 16;
const STAND_INS = 17;
const TASKS = 32; // for each task in flight, the thread that runs it, counted from 1
const CROWD_INSIDE = 64; // for each key of the crowd, the thread, counted from 1
const NUMBERS = CROWD_INSIDE + CROWD; // for each number in the lock, its thread, counted from 1
const MOST_THREADS = 1 << 17;
const HEADER_CELLS = NUMBERS + MOST_THREADS;

/** In the place of a thread: nobody had written down the number when it was reported dead. */
const UNKNOWN = -1;

// A thread. Ids are never used twice in a process. The stand-ins for numbers come after the threads.
const END = 0; // index in ENDS
const ENDED_AT = 1; // when main saw its end
const HAS_ASKED = 2;
const IS_DOING = 3;
const ORDER = 4; // how and when to end itself
const BEATS = 5; // counts what it does
const TOLD_TO = 6; // the heir, counted from 1
const TOLD_AT = 7;
const TOLD_BEATS = 8; // its beats when the heir was told, plus 1
const IS_SETTLED = 9; // the heir has entered since
const HAS_FINISHED = 10;
const WAITING_SINCE = 12; // for each caller; 0 while it does not wait
const THREAD_CELLS = WAITING_SINCE + CALLERS;
const THREADS = 2 * MOST_THREADS;

/** On a clock that all threads share, about. (On Bun and Deno, `hrtime` begins anew in each.) */
const machineTime = () => (performance.timeOrigin + performance.now()) | 0;

export class Marks {
  /** The number of this thread. */
  readonly thread: number;
  readonly memory: SharedArrayBuffer;
  readonly #cells: Int32Array;
  /** The object through which this thread was told of deaths since its last entry, and of which. */
  #told: {through: unknown; ids: number[]} | undefined;

  constructor(thread: number, memory?: SharedArrayBuffer) {
    this.thread = thread;
    this.memory = memory ?? new SharedArrayBuffer((HEADER_CELLS + THREADS * THREAD_CELLS) * 4);
    this.#cells = new Int32Array(this.memory);
    if (memory === undefined) this.#cells[START] = machineTime();
  }

  #get(field: number, thread?: number): number {
    return Atomics.load(this.#cells, cellOf(field, thread));
  }

  #set(field: number, value: number, thread?: number): void {
    Atomics.store(this.#cells, cellOf(field, thread), value);
  }

  #count(field: number): void {
    Atomics.add(this.#cells, field, 1);
  }

  /** Milliseconds since the run began, for all threads; never 0. */
  now(): number {
    return ((machineTime() - (this.#cells[START] ?? 0)) | 0) + 1;
  }

  // Sections

  /** @param through the lock object */
  enter(through: unknown): void {
    this.beat();
    const before = Atomics.exchange(this.#cells, INSIDE, this.thread + 1) - 1;
    if (before >= 0) {
      if (before === this.thread || !this.isEnding(before)) {
        this.#count(OVERLAPS);
        this.wrong('overlap: a living thread is still inside', before);
      } else {
        this.#count(MARKS_LEFT);
        if (this.#get(TOLD_TO, before) === 0) {
          this.#count(NOT_TOLD);
          this.wrong('a mark was left by a dead thread, and nobody was told', before);
        }
      }
    }
    if (this.#told !== undefined) {
      const {through: toldThrough, ids} = this.#told;
      for (const id of ids) this.#set(IS_SETTLED, 1, id);
      if (toldThrough !== through) {
        const wrong =
          'onAbandoned was called through another object than the one whose caller entered';
        this.wrong(wrong, ids[0] ?? 0);
      }
      this.#told = undefined;
    }
    this.doing('inside');
    this.#count(ACQUISITIONS);
    this.#set(ACQUIRED_AT, this.now());
  }

  leave(): void {
    this.beat();
    this.doing('anything');
    const found = Atomics.compareExchange(this.#cells, INSIDE, this.thread + 1, 0) - 1;
    if (found === this.thread) return;
    // Between living threads, whoever entered has counted this overlap.
    if (this.isEnding(this.thread)) this.#count(OVERLAPS);
    this.wrong('overlap: another has entered before the section ended', found);
  }

  /**
   * What `onAbandoned` of the object `through` calls; `undefined` if its caller may not enter after
   * all.
   */
  told(number: number, through: unknown): void {
    this.beat();
    const dead = this.#threadOf(number);
    if (!this.isEnding(dead)) this.wrong('onAbandoned names a living thread', dead);
    this.#noteBeats(dead);
    const earlier = Atomics.exchange(this.#cells, cellOf(TOLD_TO, dead), this.thread + 1) - 1;
    if (earlier < 0) {
      this.#set(TOLD_AT, this.now(), dead);
    } else {
      this.#count(RETOLD);
      // Only an heir that died while it was being told is followed by another.
      if (!this.isEnding(earlier) || this.#get(IS_SETTLED, dead) === 1) {
        this.wrong('onAbandoned reports a thread that was reported before', dead);
      }
    }
    if (through === undefined) return;
    this.#told ??= {through, ids: []};
    this.#told.ids.push(dead);
    if (this.#told.through !== through) {
      const wrong =
        'onAbandoned was called through another object than the one whose caller entered';
      this.wrong(wrong, dead);
    }
  }

  /** From the first report of its death on, a thread must do nothing more. */
  #noteBeats(dead: number): void {
    const beats = this.#get(BEATS, dead) + 1;
    Atomics.compareExchange(this.#cells, cellOf(TOLD_BEATS, dead), 0, beats);
  }

  // The crowd

  enterCrowd(numbers: readonly number[]): void {
    this.beat();
    for (const number of numbers) {
      this.#count(CROWD_ACQUISITIONS);
      const before = Atomics.exchange(this.#cells, CROWD_INSIDE + number, this.thread + 1) - 1;
      if (before < 0) continue;
      if (before === this.thread || !this.isEnding(before)) {
        this.#count(OVERLAPS);
        this.wrong('overlap in the crowd: a living thread is still inside', before);
      } else {
        this.#count(CROWD_NOT_TOLD);
        const wrong = 'in the crowd, a mark was left by a dead thread, and nobody was told';
        this.wrong(wrong, before);
      }
    }
  }

  leaveCrowd(numbers: readonly number[]): void {
    this.beat();
    for (const number of numbers) {
      const cell = CROWD_INSIDE + number;
      const found = Atomics.compareExchange(this.#cells, cell, this.thread + 1, 0) - 1;
      if (found === this.thread) continue;
      if (this.isEnding(this.thread)) this.#count(OVERLAPS);
      this.wrong('overlap in the crowd: another has entered before the section ended', found);
    }
  }

  /** What `onAbandoned` calls for a key of the crowd. */
  toldInCrowd(number: number, deadNumber: number): void {
    this.beat();
    const dead = this.#threadOf(deadNumber);
    if (!this.isEnding(dead)) this.wrong('in the crowd, onAbandoned names a living thread', dead);
    this.#noteBeats(dead);
    const cell = CROWD_INSIDE + number;
    const found = Atomics.compareExchange(this.#cells, cell, dead + 1, 0) - 1;
    if (found === dead) this.#count(CROWD_INHERITED);
    // Another may have died there before, and be told of next.
    else if (found >= 0 && !this.isEnding(found)) {
      const wrong = 'in the crowd, onAbandoned was called while a living thread was inside';
      this.wrong(wrong, found);
    }
  }

  /** A key of the crowd that an ended thread has left; looks for it from `from` on, 0 to 1. */
  leftInCrowd(from = 0): number | undefined {
    for (let n = 0; n < CROWD; n++) {
      const number = (Math.floor(from * CROWD) + n) % CROWD;
      const thread = this.#get(CROWD_INSIDE + number) - 1;
      if (thread >= 0 && this.#get(ENDED_AT, thread) !== 0) return number;
    }
    return undefined;
  }

  // Numbers

  /** This thread is the one that the lock knows by `number`. */
  hasNumber(number: number): void {
    const found = Atomics.compareExchange(this.#cells, NUMBERS + number, 0, this.thread + 1);
    if (found === UNKNOWN) {
      this.#count(OVERLAPS);
      this.wrong('overlap: a thread went on after its death had been reported', this.thread);
    } else if (found !== 0 && found !== this.thread + 1) {
      this.wrong('two threads have had one number in the lock', found - 1);
    }
  }

  /** The thread that the lock knows by `number` and reports as dead, or its stand-in. */
  #threadOf(number: number): number {
    const found = Atomics.compareExchange(this.#cells, NUMBERS + number, 0, UNKNOWN);
    if (found > 0) return found - 1;
    const standIn = MOST_THREADS + number;
    if (found === 0) this.#count(STAND_INS);
    this.beginEnd(standIn, 'done');
    return standIn;
  }

  /** By which numbers the lock has known a thread. */
  numbersOf(thread: number): number[] {
    const numbers: number[] = [];
    for (let number = 0; number < MOST_THREADS; number++) {
      if (this.#get(NUMBERS + number) === thread + 1) numbers.push(number);
    }
    return numbers;
  }

  // This thread

  /** Shows that this thread still runs. */
  beat(): void {
    Atomics.add(this.#cells, cellOf(BEATS, this.thread), 1);
  }

  beats(thread: number): number {
    return this.#get(BEATS, thread);
  }

  doing(what: keyof typeof DOING): void {
    this.#set(IS_DOING, DOING[what], this.thread);
  }

  /** Keeps this thread's event loop from turning. */
  block(milliseconds: number): void {
    const before = this.#get(IS_DOING, this.thread);
    this.doing('blocked');
    this.compute(milliseconds);
    this.#set(IS_DOING, before, this.thread);
  }

  compute(milliseconds: number): void {
    const end = performance.now() + milliseconds;
    while (performance.now() < end) this.beat();
  }

  asks(caller: number): void {
    this.#set(WAITING_SINCE + caller, this.now(), this.thread);
    this.#set(HAS_ASKED, 1, this.thread);
  }

  hasAnswer(caller: number, timedOut: boolean): void {
    const cell = WAITING_SINCE + caller;
    const waited = this.now() - this.#get(cell, this.thread);
    this.#set(cell, 0, this.thread);
    if (timedOut) this.#count(TIMEOUTS);
    if (waited > this.#get(LONGEST_WAIT)) this.#set(LONGEST_WAIT, waited);
  }

  /** How this thread is to end itself, if `moment` is the one for it. */
  orderAt(moment: Moment): End | undefined {
    const order = this.#get(ORDER, this.thread);
    if (order === 0) return undefined;
    const due = MOMENTS[order >> 8];
    return due === moment || due === 'any' ? ENDS[order & 0xff] : undefined;
  }

  finish(): void {
    this.#set(HAS_FINISHED, 1, this.thread);
  }

  runsTask(task: number): void {
    this.#set(TASKS + task, this.thread + 1);
  }

  // Ends

  order(thread: number, end: End, moment: Moment): void {
    this.#set(ORDER, (MOMENTS.indexOf(moment) << 8) | ENDS.indexOf(end), thread);
  }

  /** From now on the thread may be found dead. The first end counts. */
  beginEnd(thread: number, end: End): void {
    Atomics.compareExchange(this.#cells, cellOf(END, thread), 0, ENDS.indexOf(end));
  }

  /** It was not ended after all. */
  takeBackEnd(thread: number): void {
    this.#set(END, 0, thread);
  }

  isEnding(thread: number): boolean {
    return this.#get(END, thread) !== 0;
  }

  endOf(thread: number): End {
    return ENDS[this.#get(END, thread)] ?? 'lives';
  }

  /** Main has seen the thread's end. */
  hasEnded(thread: number): void {
    if (!this.isEnding(thread)) this.wrong('a thread ended by itself', thread);
    this.#set(ENDED_AT, this.now(), thread);
    this.checkRobbed(thread);
  }

  /** Whether the thread, which has ended, went on after somebody was told of its death. */
  checkRobbed(thread: number): void {
    const toldBeats = this.#get(TOLD_BEATS, thread);
    if (toldBeats === 0 || toldBeats === this.#get(BEATS, thread) + 1) return;
    this.#count(OVERLAPS);
    this.wrong('overlap: a thread went on after its death had been reported', thread);
  }

  // The run

  wrong(wrong: Wrong, about: number): void {
    if (Atomics.compareExchange(this.#cells, WRONG, 0, -1) !== 0) return;
    this.#set(FINDER, this.thread);
    this.#set(ABOUT, about);
    this.#set(WRONG, WRONGS.indexOf(wrong));
  }

  firstWrong(): {wrong: Wrong; finder: number; about: number} | undefined {
    const index = this.#get(WRONG);
    if (index <= 0) return undefined;
    const wrong = WRONGS[index] ?? 'none';
    return {wrong, finder: this.#get(FINDER), about: this.#get(ABOUT)};
  }

  stop(): void {
    this.#set(STOP, 1);
  }

  get isStopped(): boolean {
    return this.#get(STOP) === 1;
  }

  hasAsked(thread: number): boolean {
    return this.#get(HAS_ASKED, thread) === 1;
  }

  isDoing(thread: number): number {
    return this.#get(IS_DOING, thread);
  }

  hasFinished(thread: number): boolean {
    return this.#get(HAS_FINISHED, thread) === 1;
  }

  /** The thread that runs `task`, and forgets it. */
  threadOfTask(task: number): number | undefined {
    const thread = this.#get(TASKS + task) - 1;
    return thread < 0 ? undefined : thread;
  }

  clearTask(task: number): void {
    this.#set(TASKS + task, 0);
  }

  waitingSince(thread: number): number[] {
    const since: number[] = [];
    for (let caller = 0; caller < CALLERS; caller++) {
      const at = this.#get(WAITING_SINCE + caller, thread);
      if (at !== 0) since.push(at);
    }
    return since;
  }

  /** For how long nobody has entered, in milliseconds. */
  standstill(): number {
    return this.now() - this.#get(ACQUIRED_AT);
  }

  /** The thread inside, or the one that died there. */
  get inside(): number | undefined {
    const thread = this.#get(INSIDE) - 1;
    return thread < 0 ? undefined : thread;
  }

  figures() {
    return {
      acquisitions: this.#get(ACQUISITIONS),
      timeouts: this.#get(TIMEOUTS),
      overlaps: this.#get(OVERLAPS),
      marksLeft: this.#get(MARKS_LEFT),
      notTold: this.#get(NOT_TOLD),
      retold: this.#get(RETOLD),
      standIns: this.#get(STAND_INS),
      longestWait: this.#get(LONGEST_WAIT),
      crowdAcquisitions: this.#get(CROWD_ACQUISITIONS),
      crowdInherited: this.#get(CROWD_INHERITED),
      crowdNotTold: this.#get(CROWD_NOT_TOLD),
    };
  }

  /**
   * How long each inherited lock took, from when main saw the owner's end to when the heir was
   * told. Where the heir was told of several, because one died while it inherited from another,
   * from the last of these ends. Without the stand-ins: nobody knows when those ended.
   */
  inheritances(): number[] {
    const byHeir = new Map<string, {endedAt: number; toldAt: number}>();
    for (let thread = 0; thread < MOST_THREADS; thread++) {
      const heir = this.#get(TOLD_TO, thread);
      if (heir === 0) continue;
      const toldAt = this.#get(TOLD_AT, thread);
      const key = `${heir} at ${toldAt}`;
      const endedAt = Math.max(this.#get(ENDED_AT, thread), byHeir.get(key)?.endedAt ?? 0);
      byHeir.set(key, {endedAt, toldAt});
    }
    return [...byHeir.values()]
      .map(({endedAt, toldAt}) => Math.max(0, toldAt - endedAt))
      .sort((a, b) => a - b);
  }
}

function cellOf(field: number, thread?: number): number {
  return thread === undefined ? field : HEADER_CELLS + thread * THREAD_CELLS + field;
}

/** The memory that the threads share, with the `Atomics` that they see. */
import {SimulatedPromise} from './promise.js';
import type {Suspendable} from './suspendable.js';
import {mix, type LogicalThread, type Parked, type Timer} from './thread.js';

interface Wait {
  readonly thread: LogicalThread;
  /** What a notification ends. */
  readonly waiting: SimulatedPromise | Parked;
}

interface Threads {
  readonly current: LogicalThread;
  startTimer(milliseconds: number, action: () => void, kind: Timer['kind']): Timer;
}

export class Memory {
  readonly #machine: Threads;
  #buffer: SharedArrayBuffer | undefined;
  #cells: Int32Array | undefined;
  #waits = new Map<number, Wait[]>();

  constructor(machine: Threads) {
    this.#machine = machine;
  }

  reset(): void {
    this.#buffer = this.#cells = undefined;
    this.#waits = new Map();
  }

  /** Of the first lock, as soon as there is one. */
  get buffer(): SharedArrayBuffer | undefined {
    return this.#buffer;
  }

  get cells(): Int32Array | undefined {
    return this.#cells;
  }

  share(buffer: SharedArrayBuffer): void {
    this.#buffer = buffer;
    this.#cells = new Int32Array(buffer);
  }

  /** How many waits there are on a cell. */
  waits(cell: number): number {
    return this.#waits.get(cell)?.length ?? 0;
  }

  /** Ends the waits of a thread that has died. */
  forget(thread: LogicalThread): void {
    for (const [cell, waits] of this.#waits) {
      this.#waits.set(
        cell,
        waits.filter((wait) => wait.thread !== thread),
      );
    }
  }

  /** Gives a number for each cell that threads wait on, in whatever order. */
  hashWaits(add: (hash: number) => void): void {
    for (const [cell, waits] of this.#waits) {
      if (waits.length === 0) continue;
      let hash = cell;
      for (const wait of waits) hash = mix(hash, wait.thread.index);
      add(hash);
    }
  }

  readonly atomics = {
    load: (cells: Int32Array, cell: number) => this.#saw(cells[cell] as number),

    store: (cells: Int32Array, cell: number, value: number) => {
      cells[cell] = value;
      return this.#saw(value);
    },

    add: (cells: Int32Array, cell: number, value: number) => {
      const before = cells[cell] as number;
      cells[cell] = before + value;
      return this.#saw(before);
    },

    and: (cells: Int32Array, cell: number, value: number) => {
      const before = cells[cell] as number;
      cells[cell] = before & value;
      return this.#saw(before);
    },

    or: (cells: Int32Array, cell: number, value: number) => {
      const before = cells[cell] as number;
      cells[cell] = before | value;
      return this.#saw(before);
    },

    exchange: (cells: Int32Array, cell: number, value: number) => {
      const before = cells[cell] as number;
      cells[cell] = value;
      return this.#saw(before);
    },

    compareExchange: (cells: Int32Array, cell: number, expected: number, replacement: number) => {
      const before = cells[cell] as number;
      if (before === (expected | 0)) cells[cell] = replacement;
      return this.#saw(before);
    },

    waitAsync: (cells: Int32Array, cell: number, value: number) => {
      if (this.#saw(cells[cell] as number) !== (value | 0))
        return {async: false, value: 'not-equal'};
      const promise = new SimulatedPromise();
      this.#wait(cell, promise);
      return {async: true, value: promise};
    },

    wait: (cells: Int32Array, cell: number, value: number, milliseconds: number) => {
      if (this.#saw(cells[cell] as number) !== (value | 0)) return 'not-equal';
      return this.#park(cell, milliseconds);
    },

    notify: (_cells: Int32Array, cell: number, count = Infinity) => {
      const waits = this.#waits.get(cell) ?? [];
      const woken = waits.splice(0, count);
      for (const {thread, waiting} of woken) {
        thread.queue = mix(thread.queue, cell);
        if ('isOver' in waiting) waiting.isOver = true;
        else thread.tasks.push(() => waiting.resolve('ok'));
      }
      return this.#saw(woken.length);
    },
  };

  #wait(cell: number, waiting: Wait['waiting']): void {
    const waits = this.#waits.get(cell) ?? [];
    waits.push({thread: this.#machine.current, waiting});
    this.#waits.set(cell, waits);
  }

  /** The thread does not go on before it is notified, or its time is up. */
  *#park(cell: number, milliseconds: number): Suspendable<'ok' | 'timed-out'> {
    const thread = this.#machine.current;
    const expire = () => {
      parked.isOver = true;
    };
    const parked: Parked = {
      isOver: false,
      timer: this.#machine.startTimer(milliseconds, expire, 'wait'),
    };
    this.#wait(cell, parked);
    thread.parked = parked;
    yield;
    thread.parked = undefined;
    const index = thread.timers.indexOf(parked.timer);
    if (index >= 0) thread.timers.splice(index, 1);
    // Whoever was notified waits no more.
    const waits = this.#waits.get(cell) ?? [];
    const isTimedOut = waits.some(({waiting}) => waiting === parked);
    this.#waits.set(
      cell,
      waits.filter(({waiting}) => waiting !== parked),
    );
    this.#saw(Number(isTimedOut));
    return isTimedOut ? 'timed-out' : 'ok';
  }

  #saw(value: number): number {
    return this.#machine.current.saw(value);
  }
}

/** The sources, and the scenarios on top of them, loaded as many times as there are logical threads, over a `Machine`. */
import {readFileSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import vm from 'node:vm';
import {collecting, type Machine} from './machine.js';
import {$async, $await, SimulatedPromise} from './promise.js';
import {$Generator, isGenerator, type Job, type Suspendable} from './suspendable.js';
import {toCommonJs, toGenerators} from './transform.js';

const repository = fileURLToPath(new URL('../..', import.meta.url));

/** Of a file of the sources: each `find` is there exactly once, and becomes `replacement`. */
export interface Edit {
  readonly file: string;
  readonly find: string | RegExp;
  readonly replacement: string;
}

/** What the harness has to know of the memory. */
export interface Layout {
  readonly WORD: number;
  readonly HEADER_CELLS: number;
  readonly SLOT_CELLS: number;
  readonly THREAD: number;
  readonly TICKET: number;
  readonly PARKED_AT: number;
  readonly FIRST_TOKEN: number;
  readonly TOKENS: number;
  readonly IN_USE: number;
  readonly PREPARING: number;
  readonly STATE_BITS: number;
}

const layout: Edit = {
  file: 'src/shared/lockMemory.ts',
  find: 'const MAGIC = 0x4c6f636b;',
  replacement: `const MAGIC = 0x4c6f636b;
export const layout = () => ({WORD, HEADER_CELLS, SLOT_CELLS, THREAD, TICKET, PARKED_AT, FIRST_TOKEN, TOKENS, IN_USE, PREPARING, STATE_BITS});`,
};

/** Less of what only takes time: the same code, with fewer steps. */
export const smaller = (slots: number, tokens: number): readonly Edit[] => [
  layout,
  {
    file: 'src/shared/lockMemory.ts',
    find: /^export const SLOTS = \d+;$/m,
    replacement: `export const SLOTS = ${slots};`,
  },
  {
    file: 'src/shared/sharedLine.ts',
    find: /^const SPINS = \d+;$/m,
    replacement: 'const SPINS = 1;',
  },
  {
    file: 'src/shared/lockMemory.ts',
    find: /^export const TOKENS = \d+;$/m,
    replacement: `export const TOKENS = ${tokens};`,
  },
];

type Exports = Record<string, unknown>;

const PARAMETERS = [
  ...['exports', 'require', '$t', '$Generator', '$point', '$new', '$noInit'],
  ...['$plain', '$async', '$await'],
  ...[
    'Atomics',
    'Promise',
    'SharedArrayBuffer',
    'WeakRef',
    'FinalizationRegistry',
    'Math',
    'performance',
  ],
  ...[
    'setTimeout',
    'clearTimeout',
    'globalThis',
    'process',
    'queueMicrotask',
    'setImmediate',
    'crypto',
    'Date',
  ],
];

type Compiled = (...parameters: unknown[]) => void;

/** By their text, since most are the same whatever is edited. */
const compiled = new Map<string, Compiled>();

/** The code, not yet loaded into any thread. */
export class Program {
  readonly #edits: readonly Edit[];

  constructor(edits: readonly Edit[]) {
    this.#edits = edits;
  }

  compile(file: string): Compiled {
    let source = readFileSync(path.join(repository, file), 'utf8');
    for (const {find, replacement} of this.#edits.filter((edit) => edit.file === file)) {
      if (source.split(find).length !== 2) {
        throw new Error(`Expected to find this once in ${file}:\n${String(find)}`);
      }
      source = source.replace(find, () => replacement);
    }
    let code = compiled.get(source);
    if (code === undefined) {
      const javascript =
        // Errors extend a class that has a constructor of the language, and call nothing of interest.
        file === 'src/errors.ts' ? toCommonJs(file, source) : toGenerators(file, source);
      code = vm.compileFunction(javascript, PARAMETERS, {
        filename: `${file} (transformed)`,
      }) as Compiled;
      compiled.set(source, code);
    }
    return code;
  }
}

/** `SharedArrayBuffer` is slow to make, and one thread needs none. */
class SimulatedSharedArrayBuffer extends ArrayBuffer {
  override get [Symbol.toStringTag](): 'ArrayBuffer' {
    return 'SharedArrayBuffer' as 'ArrayBuffer';
  }
}

/** What each logical thread of an execution has for itself: an instance of every module. */
export class World {
  readonly #program: Program;
  readonly #loaded = new Map<string, Exports>();
  readonly #globals: readonly unknown[];

  constructor(program: Program, machine: Machine, isLogged: boolean) {
    this.#program = program;
    const platform: Exports = {
      get threadId() {
        return machine.current.id;
      },
      now: machine.now,
      sharedNow: machine.now,
      assertSupported: nothing,
      answer: nothing,
      ask: machine.ask,
      startTimer: (milliseconds: number, _keepsAlive: boolean, action: Job) =>
        machine.startTimer(milliseconds, action, 'wait'),
      stopTimer: machine.stopTimer,
      reportUncaught: (error: unknown) => machine.fail(`An uncaught error: ${String(error)}`),
      pause: nothing,
      currentContext: () => (action: Job) => action(),
    };
    this.#loaded.set('src/shared/platform.ts', platform);
    const {WeakRef, FinalizationRegistry} = collecting(machine);
    this.#loaded.set('src/shared/intrinsics.ts', {
      Atomics: isLogged ? logged(machine, () => this.layout) : machine.atomics,
      deref: (reference: {deref(): unknown}) => reference.deref(),
      floor: Math.floor,
      max: Math.max,
      min: Math.min,
      random: () => (machine.current.index * 0.37) % 1,
    });
    const startDeadline = (action: Job, milliseconds: number) =>
      machine.startTimer(milliseconds, action, 'deadline');
    this.#loaded.set('src/intrinsics.ts', {
      NativePromise: SimulatedPromise,
      resolved: (value: unknown) => SimulatedPromise.resolve(value),
      then: (promise: SimulatedPromise, ...handlers: Parameters<SimulatedPromise['then']>) =>
        promise.then(...handlers),
      nativeThen: {call: (promise: SimulatedPromise, job: Job) => promise.then(job)},
      READY: SimulatedPromise.resolve(),
      NOTHING: undefined,
      createMap: () => new Map(),
      hostTimers: {set: startDeadline, clear: machine.stopTimer, now: machine.deadlineNow},
      outside: (job: Job) => job(),
    });
    const global = new Proxy(
      {},
      {
        get: (_, key) => machine.current.globals[key],
        set: (_, key, value) => {
          machine.current.globals[key] = value;
          return true;
        },
      },
    );
    this.#globals = [
      ...[undefined, $Generator, machine.point, $new, $noInit],
      ...[$plain, $async, $await],
      ...[undefined, SimulatedPromise, SimulatedSharedArrayBuffer, WeakRef, FinalizationRegistry],
      ...[Math, {now: machine.deadlineNow}],
      startDeadline,
      ...[machine.stopTimer, global],
    ];
  }

  get layout(): Layout {
    return (this.load('src/shared/lockMemory.ts').layout as () => Layout)();
  }

  load(file: string): Exports {
    let exports = this.#loaded.get(file);
    if (exports === undefined) {
      exports = {};
      this.#loaded.set(file, exports);
      const require = (name: string) =>
        this.load(path.join(path.dirname(file), name).replace(/\.js$/, '.ts'));
      this.#program.compile(file)(exports, require, ...this.#globals);
    }
    return exports;
  }
}

/** Tells of each operation, for an account of an execution. */
function logged(machine: Machine, layout: () => Layout): unknown {
  const operations = Object.entries(machine.atomics) as [string, (...args: unknown[]) => unknown][];
  return Object.fromEntries(
    operations.map(([name, operation]) => [
      name,
      (cells: Int32Array, ...args: [number, ...number[]]) => {
        const result = operation(cells, ...args);
        const [cell, ...values] = args;
        const shown = typeof result === 'number' ? hex(result) : JSON.stringify(result);
        machine.log?.(
          `    ${machine.current.id}: ${name}(${[cellName(cell, layout()), ...values.map(hex)].join(', ')}) = ${shown}`,
        );
        return result;
      },
    ]),
  );
}

const hex = (value: number) =>
  value >= 0 && value < 10 ? String(value) : `0x${(value >>> 0).toString(16)}`;

function cellName(cell: number, {WORD, HEADER_CELLS, SLOT_CELLS, FIRST_TOKEN}: Layout): string {
  if (cell < HEADER_CELLS) return cell === WORD ? 'word' : `header ${cell}`;
  const slot = Math.floor((cell - HEADER_CELLS) / SLOT_CELLS);
  const field = (cell - HEADER_CELLS) % SLOT_CELLS;
  return `${['thread', 'ticket', 'parked at'][field] ?? `token ${field - FIRST_TOKEN}`} of slot ${slot}`;
}

function nothing(): void {
  // Of no interest here.
}

type Class = (new (...args: unknown[]) => {$init?: (...args: unknown[]) => Suspendable<void>}) & {
  prototype: {$init?: unknown};
};

/** `new`, for classes whose constructor has become `$init` as for any other. */
function $new(made: Class, ...args: unknown[]): unknown {
  return made.prototype.$init === undefined ? new made(...args) : initialize(made, args);
}

function* initialize(made: Class, args: unknown[]): Suspendable<unknown> {
  const instance = new made();
  if (instance.$init !== undefined) yield* instance.$init(...args);
  return instance;
}

/** The constructor of a class that has none. */
function* $noInit(): Suspendable<void> {
  // Fields are there already.
}

function $plain(value: unknown): unknown {
  const isHalfMade =
    typeof value === 'object' &&
    value !== null &&
    '$init' in value &&
    !(value instanceof SimulatedPromise);
  if (isGenerator(value) || isHalfMade) {
    throw new Error('This code cannot be suspended, and calls what has to be.');
  }
  return value;
}

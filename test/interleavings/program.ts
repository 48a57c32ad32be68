/**
 * What a thread of the `Machine` runs: the sources, and the scenarios on top of them. Each thread
 * has its own instance of every module. The machine provides their globals and their platform.
 */
import {readFileSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import vm from 'node:vm';
import type {Edit} from '../support/edits.js';
import {logged} from './account.js';
import {collecting} from './garbage.js';
import type {Layout} from './layout.js';
import type {Machine} from './machine.js';
import {$async, $await, SimulatedPromise} from './promise.js';
import {$Generator, isGenerator, type Job, type Suspendable} from './suspendable.js';
import type {LogicalThread} from './thread.js';
import {toCommonJs, toGenerators} from './transform.js';

const repository = fileURLToPath(new URL('../..', import.meta.url));

/** Less of what only takes time: the same code, with fewer steps. */
export const smaller = (slots: number, tokens: number): readonly Edit[] => [
  {
    file: 'src/shared/memory/layout.ts',
    find: /^export const SLOTS = \d+;$/m,
    replacement: `export const SLOTS = ${slots};`,
  },
  {
    file: 'src/shared/contender.ts',
    find: /^const SPINS = \d+;$/m,
    replacement: 'const SPINS = 1;',
  },
  {
    file: 'src/shared/memory/tokens.ts',
    find: /^export const ORDINARY_TOKENS = \d+;$/m,
    replacement: `export const ORDINARY_TOKENS = ${tokens};`,
  },
  {
    file: 'src/shared/memory/layout.ts',
    find: /^export const BUCKET_CELLS = \d+;$/m,
    replacement: 'export const BUCKET_CELLS = 3;',
  },
  {
    file: 'src/shared/memory/keyIndex.ts',
    find: /^const COURTESIES = \d+;$/m,
    replacement: 'const COURTESIES = 2;',
  },
  // Of so many keys that some have the same.
  {
    file: 'src/shared/memory/keyIndex.ts',
    find: 'fingerprint(hash) & FINGERPRINT_MASK;',
    replacement: '0 * fingerprint(hash);',
  },
];

/** So that the machine knows the timer of a line that found no room. */
export const retrying: readonly Edit[] = [
  {
    file: 'src/shared/keyContender.ts',
    find: 'startTimer(FULL_MILLISECONDS, true,',
    replacement: `startTimer(FULL_MILLISECONDS, 'retry' as never,`,
  },
];

/**
 * What a module keeps from one call to the next it keeps among the globals of the thread. All
 * executions use the same instance of the module, and each has threads of its own.
 */
export const perThread: readonly Edit[] = [
  {
    file: 'src/line/deadlines.ts',
    find: 'const latest: {deadlines?: Deadlines} = {};',
    replacement: 'const latest = globalThis as {deadlines?: Deadlines};',
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

/** By their text, since most files are the same whatever is edited. */
const compiled = new Map<string, Compiled>();

/** @param edited the texts of the files that are not as they are in the repository */
function compile(file: string, edited: ReadonlyMap<string, string>): Compiled {
  const source = edited.get(file) ?? readFileSync(path.join(repository, file), 'utf8');
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

/** `SharedArrayBuffer` is slow to make, and one thread needs none. */
class SimulatedSharedArrayBuffer extends ArrayBuffer {
  override get [Symbol.toStringTag](): 'ArrayBuffer' {
    return 'SharedArrayBuffer' as 'ArrayBuffer';
  }
}

/** The program of one thread: its own instance of every module. */
export class Program {
  readonly #edited: ReadonlyMap<string, string>;
  readonly #loaded = new Map<string, Exports>();
  readonly #globals: readonly unknown[];

  /** @param edited the texts of the files that are not as they are in the repository */
  constructor(edited: ReadonlyMap<string, string>, machine: Machine, isLogged: boolean) {
    this.#edited = edited;
    const runtime: Record<string, Exports> = {
      current: {
        assertSupported: nothing,
        runtime: {
          get threadId() {
            return machine.current.id;
          },
          get isMainThread() {
            return machine.current.id === 0;
          },
          becomeProbeable: nothing,
          probeThread: machine.probeThread,
        },
      },
      clocks: {
        now: machine.now,
        sharedNow: machine.now,
        startTimer: (milliseconds: number, keepsAlive: boolean | 'retry', action: Job) =>
          machine.startTimer(milliseconds, action, keepsAlive === 'retry' ? 'retry' : 'wait'),
        stopTimer: machine.stopTimer,
      },
      callers: {
        captureContext: () => (action: Job) => action(),
        reportUncaught: (error: unknown) => machine.fail(`An uncaught error: ${String(error)}`),
      },
      pause: {pause: nothing},
      random: {randomSeed: () => [1, 2]},
    };
    for (const [name, exports] of Object.entries(runtime)) {
      this.#loaded.set(`src/shared/runtime/${name}.ts`, exports);
    }
    const {WeakRef, FinalizationRegistry} = collecting(machine);
    this.#loaded.set('src/shared/intrinsics.ts', {
      Atomics: isLogged ? logged(machine, () => this.layout) : machine.memory.atomics,
      deref: (reference: {deref(): unknown}) => reference.deref(),
      charCodeAt: (text: string, index: number) => text.charCodeAt(index),
      eachInMap: <K, V>(map: Map<K, V>, action: (value: V, key: K) => Suspendable<void>) =>
        eachInMap(map, action),
      clz32: Math.clz32,
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
      READY: SimulatedPromise.resolve(),
      NOTHING: undefined,
      createMap: () => new Map(),
      createWeakMap: () => new WeakMap(),
      hostTimers: {set: startDeadline, clear: machine.stopTimer, now: machine.deadlineNow},
      outside: (job: Job) => job(),
      assertRoom: nothing,
    });
    // What a module puts there while it is loaded stays its own: no thread runs by then.
    const whileLoading: LogicalThread['globals'] = {};
    const globals = () => (machine.current as LogicalThread | undefined)?.globals ?? whileLoading;
    const global = new Proxy(
      {},
      {
        get: (_, key) => globals()[key],
        set: (_, key, value) => {
          globals()[key] = value;
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
    const exports = {
      ...this.load('src/shared/memory/layout.ts'),
      ...this.load('src/shared/memory/threads.ts'),
      ...this.load('src/shared/memory/tokens.ts'),
    };
    return exports as unknown as Layout;
  }

  load(file: string): Exports {
    let exports = this.#loaded.get(file);
    if (exports === undefined) {
      exports = {};
      this.#loaded.set(file, exports);
      const require = (name: string) =>
        this.load(path.join(path.dirname(file), name).replace(/\.js$/, '.ts'));
      compile(file, this.#edited)(exports, require, ...this.#globals);
    }
    return exports;
  }
}

function* eachInMap<K, V>(
  map: Map<K, V>,
  action: (value: V, key: K) => Suspendable<void>,
): Suspendable<void> {
  for (const [key, value] of map) yield* action(value, key);
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

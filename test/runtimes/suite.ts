/**
 * As much of AVA as the contract uses, for runtimes on which AVA does not run: it declares tests,
 * and runs them one after the other.
 */
import type {ExecutionContext, TestFn, ThrowsExpectation} from 'ava';
import {assert} from 'chai';
import {isOfCrowds} from '../contract/common.js';

/** The longest test takes some seconds. */
const PATIENCE_MILLISECONDS = 60_000;

export interface Results {
  /** Of the runtime. */
  readonly version: string;
  readonly passed: string[];
  /** Titles with what went wrong. */
  readonly failed: string[];
}

type Implementation = (t: ExecutionContext) => Promise<void> | void;

export class Suite {
  readonly #tests = new Map<string, Implementation>();
  /** The title of the test that runs. */
  current = 'none';

  /** Declares tests whose titles begin with `prefix`, those of crowds only if they are wanted. */
  declare(prefix: string, hasCrowds: boolean): TestFn {
    const serial = (title: string, implementation: Implementation) => {
      if (isOfCrowds(title) && !hasCrowds) return;
      this.#tests.set(`${prefix}: ${title}`, implementation);
    };
    return {serial} as unknown as TestFn;
  }

  async run(version: string): Promise<Results> {
    const results: Results = {version, passed: [], failed: []};
    for (const [title, implementation] of this.#tests) {
      this.current = title;
      const context = new Context();
      try {
        await inTime(() => implementation(context as unknown as ExecutionContext));
        results.passed.push(title);
      } catch (error) {
        results.failed.push(`${title}: ${String((error as Error | undefined)?.stack ?? error)}`);
      } finally {
        context.tearDown();
      }
    }
    return results;
  }
}

/** The timer is set first, because a test may install fake ones. */
function inTime(run: () => Promise<void> | void): Promise<void> {
  return new Promise((resolve, reject) => {
    const {clearTimeout} = globalThis;
    const timer = setTimeout(() => reject(new Error('It takes too long.')), PATIENCE_MILLISECONDS);
    (async () => run())()
      .finally(() => clearTimeout(timer))
      .then(resolve, reject);
  });
}

type Thrower = () => unknown;

/** What AVA gives to a test as `t`. */
class Context {
  readonly #teardowns: Array<() => void> = [];

  readonly is = (actual: unknown, expected: unknown, message?: string) =>
    assert.isTrue(
      Object.is(actual, expected),
      `${message ?? ''} ${String(actual)} is not ${String(expected)}`,
    );
  readonly true = (actual: unknown, message?: string) => this.is(actual, true, message);
  readonly false = (actual: unknown, message?: string) => this.is(actual, false, message);
  readonly truthy = (actual: unknown, message?: string) => this.true(Boolean(actual), message);
  readonly deepEqual = assert.deepEqual;
  readonly like = assert.containSubset;
  readonly pass = () => undefined;
  readonly fail = (message?: string) => assert.fail(message);
  readonly teardown = (action: () => void) => this.#teardowns.unshift(action);

  readonly throws = (call: Thrower, expected?: ThrowsExpectation<Error>) => {
    try {
      call();
    } catch (error) {
      return this.#check(error, expected);
    }
    return assert.fail('It throws nothing.');
  };

  readonly throwsAsync = async (
    call: PromiseLike<unknown> | (() => PromiseLike<unknown>),
    expected?: ThrowsExpectation<Error>,
  ) => {
    const outcome = await Promise.resolve(typeof call === 'function' ? call() : call).then(
      () => undefined,
      (error: unknown) => ({error}),
    );
    return outcome ? this.#check(outcome.error, expected) : assert.fail('It does not reject.');
  };

  #check(error: unknown, expected: ThrowsExpectation<Error> = {}): unknown {
    const {is, instanceOf, message, ...properties} = expected;
    if ('is' in expected) this.is(error, is);
    if (instanceOf) assert.instanceOf(error, instanceOf);
    const {message: actual} = error as Error;
    if (message instanceof RegExp) assert.match(actual, message);
    else if (typeof message === 'function') this.true(message(actual), actual);
    else if (message !== undefined) this.is(actual, message);
    assert.containSubset(error, properties);
    return error;
  }

  tearDown(): void {
    for (const action of this.#teardowns) action();
  }
}

import {readFileSync} from 'node:fs';
import path from 'node:path';
import vm from 'node:vm';
import test from 'ava';
import type {createLock} from '../../src/index.js';
import {compiledFile} from '../support/compiled.js';

/** The package as it is where the global `Symbol` is that. */
function loadWith(symbol: unknown, file = compiledFile('src/index', 'commonjs')): unknown {
  const exports = {};
  const require = (name: string) => loadWith(symbol, path.resolve(path.dirname(file), name));
  const parameters = ['exports', 'require', 'Symbol'];
  const module = vm.compileFunction(readFileSync(file, 'utf8'), parameters);
  (module as (...args: unknown[]) => void)(exports, require, symbol);
  return exports;
}

test('where there is no Symbol.dispose a guard has release, and what compilers make of using', async (t) => {
  const {toStringTag} = Symbol;
  const without = Object.assign((name: string) => Symbol(name), {
    for: (key: string) => Symbol.for(key),
    toStringTag,
  });
  const lock = (loadWith(without) as {createLock: typeof createLock}).createLock();
  const guard = await lock.acquire();
  guard.release();
  t.false(lock.isLocked);
  const other = (await lock.acquire()) as unknown as Record<symbol, () => void>;
  other[Symbol.for('Symbol.dispose')]?.();
  t.false(lock.isLocked);
  t.false('undefined' in other);
});

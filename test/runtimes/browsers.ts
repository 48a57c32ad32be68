/**
 * The packed package in Chromium, in a page and in a module worker: as its files are, and as Vite
 * builds them; with and without the headers that give a page `SharedArrayBuffer`.
 */
import {spawn} from 'node:child_process';
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {tmpdir} from 'node:os';
import path from 'node:path';
import type {TestFn} from 'ava';
import {build} from 'esbuild';
import {build as buildWithVite} from 'vite';
import {deferred} from '../support/async.js';
import {someAtATime} from '../support/limit.js';
import {findChromium, here} from './binaries.js';
import type {BrowserResults} from './browser/contract.js';
import {PATIENCE_MILLISECONDS, failuresIn, noticeMissing, toPackage} from './runtimes.js';

const HTML = '<!doctype html><script type="module" src="./page.js"></script>';

const ISOLATING = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

const TYPES: Record<string, string> = {'.html': 'text/html', '.js': 'text/javascript'};

/** @param project has the package installed */
export function browserTests(test: TestFn, project: () => string): void {
  for (const [how, prepare] of Object.entries({
    'as its files are': unbundled,
    'built by Vite': vite,
  })) {
    test(`Chromium: the contract holds in a page and in a module worker, ${how}, and a lock across threads says why there is none`, async (t) => {
      t.timeout(PATIENCE_MILLISECONDS);
      const chromium = findChromium();
      if (chromium === undefined) return noticeMissing(t, 'Chromium');
      const page = await prepare(project());
      const all = await someAtATime(() => visit(chromium, page, '/plain'));
      t.deepEqual(
        all.map(({where}) => where),
        ['page', 'module worker'],
      );
      for (const {where, refusal, ...results} of all) {
        t.deepEqual(failuresIn(t, `Chromium, ${where}, ${how}`, results), []);
        t.is(refusal.code, 'ERR_LOCK_UNSUPPORTED');
        t.regex(refusal.message, NOT_ISOLATED);
      }
      const isolated = await someAtATime(() => visit(chromium, page, '/isolated'));
      for (const {refusal} of isolated) {
        t.is(refusal.code, 'ERR_LOCK_UNSUPPORTED');
        t.regex(refusal.message, /but not in browsers/);
        t.notRegex(refusal.message, NOT_ISOLATED);
      }
    });
  }
}

const NOT_ISOLATED =
  /crossOriginIsolated.*Cross-Origin-Opener-Policy.*Cross-Origin-Embedder-Policy/;

/** @returns the directory with the page, which loads the package's own files */
async function unbundled(project: string): Promise<string> {
  const directory = await mkdtemp(path.join(project, 'unbundled-'));
  const installed = '../node_modules/@databases/lock/dist/esm';
  await compile(directory, {
    main: `${installed}/index.js`,
    shared: `${installed}/shared/index.js`,
  });
  return directory;
}

async function vite(project: string): Promise<string> {
  const root = await mkdtemp(path.join(project, 'vite-'));
  await compile(root, {main: '@databases/lock', shared: '@databases/lock/shared'});
  await buildWithVite({
    root,
    base: './',
    configFile: false,
    logLevel: 'error',
    build: {target: 'es2022'},
    worker: {format: 'es'},
  });
  return path.join(root, 'dist');
}

/** The page and its worker, without the package. */
async function compile(outdir: string, entries: Parameters<typeof toPackage>[0]): Promise<void> {
  const globals = path.join(here, 'browser/globals.ts');
  const ofNode = ['node:async_hooks', 'node:events', 'node:timers/promises', 'util', 'timers'];
  await build({
    entryPoints: ['page', 'worker'].map((name) => path.join(here, `browser/${name}.ts`)),
    outdir,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    alias: Object.fromEntries([...ofNode, 'timers/promises'].map((name) => [name, globals])),
    inject: [globals],
    plugins: [toPackage(entries)],
  });
  await writeFile(path.join(outdir, 'index.html'), HTML);
}

/** Longer than the page itself is patient. */
const VISIT_MILLISECONDS = 300_000;

/** Opens the page, and resolves to what it sends. */
async function visit(
  chromium: string,
  directory: string,
  headers: string,
): Promise<readonly BrowserResults[]> {
  const profile = await mkdtemp(path.join(tmpdir(), 'lock-chromium-'));
  const {promise, resolve, reject} = deferred<string>();
  const server = createServer((request, response) => {
    if (request.method === 'POST') void bodyOf(request).then(resolve);
    else void serve(directory, request, response);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const {port} = server.address() as AddressInfo;
  const browser = spawn(chromium, [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    // Otherwise the timers of a page that nobody sees may fire once in a second or a minute.
    '--disable-background-timer-throttling',
    '--disable-backgrounding-occluded-windows',
    '--disable-renderer-backgrounding',
    `--user-data-dir=${profile}`,
    `http://127.0.0.1:${port}${headers}/${path.basename(directory)}/index.html`,
  ]);
  browser.once('exit', () => reject(new Error('Chromium ended.')));
  const patience = setTimeout(
    () => reject(new Error('The page sends nothing.')),
    VISIT_MILLISECONDS,
  );
  try {
    const results = JSON.parse(await promise) as BrowserResults[] | {error: string};
    if ('error' in results) throw new Error(results.error);
    return results;
  } finally {
    clearTimeout(patience);
    const ended = new Promise((exit) => browser.once('exit', exit));
    browser.kill('SIGKILL');
    await ended;
    server.closeAllConnections();
    server.close();
    await rm(profile, {recursive: true, force: true, maxRetries: 5});
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  return body;
}

/** A file beside the page, or beside its directory. */
async function serve(
  directory: string,
  {url = ''}: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [, headers = '', ...names] = url.split('/');
  const file = path.join(directory, '..', ...names);
  try {
    const content = await readFile(file);
    response.writeHead(200, {
      'Content-Type': TYPES[path.extname(file)],
      ...(`/${headers}` === '/isolated' ? ISOLATING : {}),
    });
    response.end(content);
  } catch {
    response.writeHead(404).end();
  }
}

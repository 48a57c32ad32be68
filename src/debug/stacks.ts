/** Finds out where a call was made and who awaits it, from the engine's stack traces. */

/** A stack trace that was captured. The engine formats it when it is read. */
export interface Captured {
  readonly stack?: string;
}

/** Enough frames for the callers of a call. */
const CALL_FRAMES = 16;
/** Enough frames for a chain of functions that await each other. */
const CHAIN_FRAMES = 200;

function captureFrames(frames: number): Captured {
  const captured = {};
  const {stackTraceLimit} = Error;
  // Not by an assignment, which would throw if `Error` is frozen.
  Reflect.set(Error, 'stackTraceLimit', frames);
  Error.captureStackTrace(captured);
  Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
  return captured;
}

export const captureCall = (): Captured => captureFrames(CALL_FRAMES);

/** A place in a function. */
export interface Site {
  /** The name of the function. */
  readonly name: string;
  /** Empty for a function of the engine itself. */
  readonly file: string;
  /** The same for all places of one function. */
  readonly within: string;
  readonly position: string;
  /** The line in a stack trace. */
  readonly frame: string;
}

/**
 * The functions on the stack. The last of them may be an asynchronous function that was resumed.
 * Below it come the function that awaits it, the one that awaits that, and so on.
 */
export function captureSites(): Site[] {
  const {prepareStackTrace} = Error;
  Reflect.set(Error, 'prepareStackTrace', (_error: unknown, callSites: NodeJS.CallSite[]) =>
    callSites.map(siteOf),
  );
  const sites: unknown = captureFrames(CHAIN_FRAMES).stack;
  Reflect.set(Error, 'prepareStackTrace', prepareStackTrace);
  return Array.isArray(sites) ? (sites as Site[]) : [];
}

/** The place in the caller's own code from which it called. */
export function captureCallSite(): Site | undefined {
  const sites = captureSites();
  return sites[countOwn(sites.map(({frame}) => frame))];
}

function siteOf(callSite: NodeJS.CallSite): Site {
  const {file, position, begin} = placesOf(callSite);
  const name = callSite.getFunctionName() ?? '';
  return {
    name,
    file,
    within: `${file} ${begin}`,
    position: `${file} ${position}`,
    frame: `at ${(callSite as {toString(): string}).toString()}`,
  };
}

function placesOf(callSite: NodeJS.CallSite) {
  // Not every engine has the last two.
  const site: Partial<NodeJS.CallSite> = callSite;
  return {
    file: callSite.getFileName() ?? '',
    position: `${callSite.getLineNumber()}:${callSite.getColumnNumber()}`,
    begin: `${site.getEnclosingLineNumber?.()}:${site.getEnclosingColumnNumber?.()}`,
  };
}

/**
 * Matches files of this package at the top of a stack. The lock may belong to another copy than the
 * watcher.
 */
const OWN_FILE =
  /((?:[a-z]+:\/\/)?[^\s()]*[\\/])(?:debug[\\/]stacks|line[\\/](?:entrance|watching))\.[cm]?[jt]s:\d+/g;
/**
 * Matches a method of this package, in programs that are bundled into one file. It does not match
 * the function of the same name that calls the caller's function.
 */
const OWN_METHOD = /at [\w$]+\.(?:withLocks?|acquireLock|acquire(?:All)?|tryAcquire) \(/;
/** How many frames of this package there are at most at the top. */
const OWN_FRAMES = 16;

/**
 * Returns a test for frames of this package, or `undefined` if they are in one file with all
 * others.
 */
function findOwn(frames: readonly string[]): ((frame: string) => boolean) | undefined {
  const files = frames.slice(0, OWN_FRAMES).join('\n').matchAll(OWN_FILE);
  const roots = Array.from(files, ([, root = '']) => root);
  if (roots.length === 0) return undefined;
  const folders = roots.flatMap((root) => [`${root}line`, `${root}inProcess`, `${root}debug`]);
  return (frame) => folders.some((folder) => frame.includes(folder));
}

/** How many frames at the top belong to this package. */
function countOwn(frames: readonly string[]): number {
  const isOwn = findOwn(frames);
  if (isOwn) {
    // The watcher's own frames may be bundled into one file with the program.
    const begin = frames.findIndex(isOwn);
    const first = frames.slice(begin).findIndex((frame) => !isOwn(frame));
    return first < 0 ? frames.length : begin + first;
  }
  const top = frames.slice(0, OWN_FRAMES);
  let own = top.findIndex((frame) => OWN_METHOD.test(frame)) + 1;
  // A method of locks by key calls the method of a lock, with a function or two in between.
  while (own > 0) {
    const next = top.slice(own, own + 3).findIndex((frame) => OWN_METHOD.test(frame));
    if (next < 0) break;
    own += next + 1;
  }
  return own;
}

/** The frames of the caller's own code and of its callers. */
export function callersFrames(captured: Captured | undefined): string[] {
  if (!captured) return [];
  const frames = String(captured.stack)
    .split('\n')
    .filter((line) => /^\s+at (?!.*\(?node:internal)/.test(line))
    .map((line) => line.trim());
  const isOwn = findOwn(frames) ?? (() => false);
  return frames.slice(countOwn(frames)).filter((frame) => !isOwn(frame));
}

/** Where the call was made, as `function (file:line:column)`. */
export const placeOf = (frames: readonly string[]): string | undefined =>
  frames[0]?.replace(/^at (async )?/, '');

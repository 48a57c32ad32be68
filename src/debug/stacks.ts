/** Where a call was made, and who waits for it, as the engine's stack traces tell. */

/** What was captured; formatted when it is read. */
export interface Captured {
  readonly stack?: string;
}

/** Enough for the callers of a call. */
const CALL_FRAMES = 16;
/** Enough for a chain of functions that await each other. */
const CHAIN_FRAMES = 200;

function captureFrames(frames: number): Captured {
  const captured = {};
  const {stackTraceLimit} = Error;
  // Not an assignment, which throws where `Error` is frozen.
  Reflect.set(Error, 'stackTraceLimit', frames);
  Error.captureStackTrace(captured);
  Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
  return captured;
}

export const captureCall = (): Captured => captureFrames(CALL_FRAMES);

/** A place in a function. */
export interface Site {
  /** What the function is called. */
  readonly name: string;
  /** Empty for a function of the engine's own. */
  readonly file: string;
  /** The same for all places of one function. */
  readonly within: string;
  readonly position: string;
  /** As in a stack trace. */
  readonly frame: string;
}

/**
 * The functions on the stack. Below the first of them that is an asynchronous one that was resumed,
 * those that await it, and those that await those.
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

/** Where the caller's own code called. */
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

/** Files of this package at the top. The lock may be of another copy than the watcher is. */
const OWN_FILE =
  /((?:[a-z]+:\/\/)?[^\s()]*[\\/])(?:debug[\\/]stacks|line[\\/](?:entrance|watching))\.[cm]?[jt]s:\d+/g;
/**
 * One of its methods, for programs that are bundled into one file. Not the function of the same
 * name that calls the caller's.
 */
const OWN_METHOD = /at [\w$]+\.(?:withLocks?|acquireLock|acquire(?:All)?|tryAcquire) \(/;
/** It has at most so many frames at the top. */
const OWN_FRAMES = 16;

/** Tells the frames of this package, or `undefined` where they are in one file with all others. */
function findOwn(frames: readonly string[]): ((frame: string) => boolean) | undefined {
  const files = frames.slice(0, OWN_FRAMES).join('\n').matchAll(OWN_FILE);
  const roots = Array.from(files, ([, root = '']) => root);
  if (roots.length === 0) return undefined;
  const folders = roots.flatMap((root) => [`${root}line`, `${root}inProcess`, `${root}debug`]);
  return (frame) => folders.some((folder) => frame.includes(folder));
}

/** How many frames at the top are of this package. */
function countOwn(frames: readonly string[]): number {
  const isOwn = findOwn(frames);
  if (isOwn) {
    // The watcher's own may be bundled into one file with the program.
    const begin = frames.findIndex(isOwn);
    const first = frames.slice(begin).findIndex((frame) => !isOwn(frame));
    return first < 0 ? frames.length : begin + first;
  }
  const top = frames.slice(0, OWN_FRAMES);
  let own = top.findIndex((frame) => OWN_METHOD.test(frame)) + 1;
  // A method of locks by key calls that of a lock, with a function or two in between.
  while (own > 0) {
    const next = top.slice(own, own + 3).findIndex((frame) => OWN_METHOD.test(frame));
    if (next < 0) break;
    own += next + 1;
  }
  return own;
}

/** The frames of the caller's own code, and of what called that. */
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

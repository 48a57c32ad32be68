/** Browsers, and other runtimes on which a lock across threads does not work. */
import {deno} from './deno.js';
import {host} from './host.js';
import type {Runtime} from './runtime.js';

const WHERE =
  'A lock across threads works in Node.js, Bun and Deno, but not in browsers, which give no ' +
  'reliable sign that the thread that holds the lock has ended. Within one thread, use ' +
  "'@databases/lock'. Between the pages and workers of an origin, use navigator.locks.";

const NOT_ISOLATED =
  'Besides, this page has no SharedArrayBuffer, because it is not crossOriginIsolated: its ' +
  'server would have to send the headers ' +
  '"Cross-Origin-Opener-Policy: same-origin" and "Cross-Origin-Embedder-Policy: require-corp".';

export const elsewhere: Runtime = {
  // `obstacle` stops everybody before they need anything else.
  ...deno,
  obstacle: () => (host.crossOriginIsolated === false ? `${WHERE} ${NOT_ISOLATED}` : WHERE),
};

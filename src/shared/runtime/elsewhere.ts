/** A browser, or another runtime on which a lock across threads does not work. */
import {deno} from './deno.js';
import {host} from './host.js';
import type {Runtime} from './runtime.js';

const WHERE =
  'A lock across threads works in Node.js, Bun and Deno. In browsers it does not: there is no ' +
  'reliable sign that the thread that holds it has ended. For one thread, import ' +
  "'@databases/lock'; for the pages and workers of an origin, use navigator.locks.";

const NOT_ISOLATED =
  'This page has no SharedArrayBuffer, which any lock across threads needs, because it is not ' +
  'crossOriginIsolated: its server would have to send the headers ' +
  '"Cross-Origin-Opener-Policy: same-origin" and "Cross-Origin-Embedder-Policy: require-corp".';

export const elsewhere: Runtime = {
  // Nobody gets so far as to need more.
  ...deno,
  obstacle: () => (host.crossOriginIsolated === false ? `${WHERE} ${NOT_ISOLATED}` : WHERE),
};

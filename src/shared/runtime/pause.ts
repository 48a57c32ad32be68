let idle = 0;

/**
 * Lets a little time pass in a thread that is spinning, without touching memory that others use:
 * each look at a word slows down the thread that works with it. (`Atomics.pause` would do, but
 * Node.js 20 and 22 lack it.)
 */
export function pause(): void {
  for (let i = 0; i < 10; i++) idle = (idle + i) | 0;
}

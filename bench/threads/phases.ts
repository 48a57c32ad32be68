/** The memory by which the threads of a measurement are led. */

export type Work = 'synchronous' | '20 µs' | 'one event-loop turn';

/**
 * The cell with the phase, and for each key the cell that counts who is inside its lock; all of them
 * on cache lines of their own.
 */
export const PHASE = 0;
const CACHE_LINE = 64;
export const insideCell = (key: number) => (1 + key) * CACHE_LINE;
export const countCells = (keys: number) => (1 + keys) * CACHE_LINE;

// The phases.
export const PREPARE = 0;
export const WARM_UP = 1;
export const MEASURE = 2;
export const STOP = 3;

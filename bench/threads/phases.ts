/** The memory by which the threads of a measurement are led. */

export type Work = 'synchronous' | 'one event-loop turn';

/**
 * The cell with the phase, and the cell that counts who is inside the lock; on cache lines of their
 * own.
 */
export const PHASE = 0;
export const INSIDE = 64;
export const CELLS = 128;

// The phases.
export const PREPARE = 0;
export const WARM_UP = 1;
export const MEASURE = 2;
export const STOP = 3;

import {availableParallelism} from 'node:os';
import pLimit from 'p-limit';

/** For programs that a test starts: all at once they would take so long that none is done in time. */
export const someAtATime = pLimit(availableParallelism());

/** A worker thread of a run: callers until the run stops, or until it is told how to end. */
import {randomNumbers} from '../support/random.js';
import {Callers} from './callers.js';
import {Marks} from './marks.js';
import {runThread} from './threads.js';

runThread(({memory, source, seed}, thread) => {
  const marks = new Marks(thread, memory);
  const callers = new Callers(marks, source, randomNumbers(seed + thread));
  void callers.blockNowAndThen();
  void callers.run();
  // The thread is to end, whatever it is doing. (To wait for that also keeps it alive.)
  return () => {
    const end = marks.orderAt('any');
    if (end !== undefined) void callers.end(end);
  };
});

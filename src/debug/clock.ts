/** The clock and the timers of Node.js, whatever a test has installed since. */
export const now = performance.now.bind(performance);
export const hostTimers = {
  setTimeout,
  clearTimeout,
  setInterval,
  clearInterval,
  setImmediate,
};

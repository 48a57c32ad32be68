import {clearInterval, setInterval} from 'node:timers';

const PATIENCE_MILLISECONDS = 1000;

/**
 * tsimp's daemon ends a connection after a second without a request, and a request that is on its way in that moment is
 * never answered: the file would load for ever. The next request finds the connection gone, makes a new one, and sends
 * again what has no answer yet.
 */
const patiently = (ask) =>
  new Promise((resolve, reject) => {
    const askAgain = () => {
      Promise.resolve(ask())
        .then(resolve, reject)
        .finally(() => clearInterval(timer));
    };
    const timer = setInterval(askAgain, PATIENCE_MILLISECONDS);
    askAgain();
  });

export const resolve = (specifier, context, next) => patiently(() => next(specifier, context));
export const load = (url, context, next) => patiently(() => next(url, context));

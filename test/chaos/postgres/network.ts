/** A network of one's own for one process, which can be cut such that nobody learns of it. */
import {spawnSync} from 'node:child_process';

const NAME = `lock-${process.pid}`;
const OUTSIDE = `lo${process.pid % 100_000}`;
const INSIDE = `li${process.pid % 100_000}`;
const ADDRESS = {outside: '10.77.0.1', inside: '10.77.0.2'};
export const NETWORK = '10.77.0.0/24';

function ip(...args: string[]): boolean {
  return spawnSync('ip', args, {stdio: 'ignore'}).status === 0;
}

export interface Network {
  /** The address of the server. */
  readonly address: string;
  /** What to write before a command that is to run in it. */
  readonly prefix: readonly string[];
  cut(): void;
  mend(): void;
  remove(): void;
}

/** @returns `undefined` where none can be made */
export function createNetwork(): Network | undefined {
  const inside = (...args: string[]) => ip('-n', NAME, ...args);
  const remove = () => {
    ip('link', 'del', OUTSIDE);
    ip('netns', 'del', NAME);
  };
  const isMade =
    ip('netns', 'add', NAME) &&
    ip('link', 'add', OUTSIDE, 'type', 'veth', 'peer', 'name', INSIDE) &&
    ip('link', 'set', INSIDE, 'netns', NAME) &&
    ip('addr', 'add', `${ADDRESS.outside}/24`, 'dev', OUTSIDE) &&
    ip('link', 'set', OUTSIDE, 'up') &&
    inside('addr', 'add', `${ADDRESS.inside}/24`, 'dev', INSIDE) &&
    inside('link', 'set', INSIDE, 'up') &&
    inside('link', 'set', 'lo', 'up');
  if (!isMade) {
    remove();
    return undefined;
  }
  return {
    address: ADDRESS.outside,
    prefix: ['ip', 'netns', 'exec', NAME],
    cut: () => void inside('link', 'set', INSIDE, 'down'),
    mend: () => void inside('link', 'set', INSIDE, 'up'),
    remove,
  };
}

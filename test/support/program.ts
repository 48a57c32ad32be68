import {spawn} from 'node:child_process';

/** Runs an ES module in a process of its own until it ends by itself; resolves to what it printed, and its exit code. */
export async function runProgram(program: string, ...flags: string[]): Promise<string> {
  const child = spawn(process.execPath, [...flags, '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (data: string) => (output += data));
  const code = await new Promise((resolve) => child.once('close', resolve));
  return `${output}exit ${String(code)}`;
}

import {spawn} from 'node:child_process';
import pLimit from 'p-limit';

/** Runs an ES module in a process of its own. @returns what it printed, and its exit code */
export async function runProgram(program: string, ...flags: string[]): Promise<string> {
  const child = spawn(process.execPath, [...flags, '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (data: string) => (output += data));
  const code = await new Promise((resolve) => child.once('close', resolve));
  return `${output}exit ${String(code)}`;
}

/** What a program did: what it wrote, and its exit code, or the signal that ended it. */
export interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: string;
}

interface Options {
  readonly flags?: readonly string[];
  readonly args?: readonly string[];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** AVA starts all tests of a file at once. Their programs take turns, two at a time. */
const turns = pLimit(2);

/**
 * A program that hangs is ended after this time, several times what the longest takes alone. Its
 * test fails by what was printed until then.
 */
const PATIENCE_MILLISECONDS = 100_000;

/** Runs a program file in a process of its own until it ends by itself. */
export async function runFile(file: string, options: Options = {}): Promise<Ended> {
  const {flags = [], args = [], cwd, env} = options;
  return turns(async () => {
    const child = spawn(process.execPath, [...flags, file, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: PATIENCE_MILLISECONDS,
      killSignal: 'SIGKILL',
      cwd,
      env: {...process.env, ...env},
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (data: string) => (stdout += data));
    child.stderr.setEncoding('utf8').on('data', (data: string) => (stderr += data));
    const exit = await new Promise((resolve) =>
      child.once('close', (code, signal) => resolve(code ?? signal)),
    );
    return {stdout, stderr, exit: String(exit)};
  });
}

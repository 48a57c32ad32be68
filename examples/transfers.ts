/**
 * The job of every example: several clients move money between accounts at the same time. The
 * accounts are in one JSON file, or in a file each. Money never appears or disappears, so the total
 * must stay the same.
 *
 * A transfer changes two balances. Each change reads the file and then writes it. Without a lock,
 * anything that another client writes in between is lost.
 *
 * A thread may end in the middle of a transfer. So each transfer keeps a copy of the accounts until
 * it is complete.
 */
import {randomInt, randomUUID} from 'node:crypto';
import {existsSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {setTimeout} from 'node:timers/promises';
import type {LocksByKey} from '@databases/lock';
import type {SharedLock} from '@databases/lock/shared';

/** Balances by the name of the account, in cents. */
type Accounts = Record<string, number>;

const ACCOUNTS = 10;
const OPENING_BALANCE = 1_000_00;
const CLIENTS = 20;
const TRANSFERS_PER_CLIENT = 10;

/** How the accounts are stored at a path. */
interface Bank {
  open(place: string): Promise<void>;
  total(place: string): Promise<number>;
}

const oneFile: Bank = {open: openAccounts, total};

/** Runs `job` on new accounts, in one file by default, and prints the total before and after. */
export async function audit(
  title: string,
  job: (place: string) => Promise<void>,
  bank = oneFile,
): Promise<boolean> {
  const directory = await mkdtemp(path.join(tmpdir(), 'accounts-'));
  try {
    const place = path.join(directory, 'accounts');
    await bank.open(place);
    const before = await bank.total(place);
    const start = performance.now();
    await job(place);
    const milliseconds = Math.round(performance.now() - start);
    const after = await bank.total(place);
    console.log(`${title} (${milliseconds} ms)`);
    console.log(`  total before: ${money(before)}`);
    console.log(`  total after:  ${money(after)}`);
    console.log(`  difference:   ${money(after - before)}`);
    return after === before;
  } finally {
    await rm(directory, {recursive: true, force: true});
  }
}

async function openAccounts(file: string): Promise<void> {
  await write(file, newAccounts());
}

function newAccounts(): Accounts {
  const names = Array.from({length: ACCOUNTS}, (_, i) => `account ${i + 1}`);
  return Object.fromEntries(names.map((name) => [name, OPENING_BALANCE]));
}

async function total(file: string): Promise<number> {
  return Object.values(await read(file)).reduce((sum, balance) => sum + balance, 0);
}

/** The same accounts in one directory, each in a file of its own. */
export const manyFiles: Bank = {
  async open(directory) {
    await mkdir(directory);
    for (const [name, balance] of Object.entries(newAccounts())) {
      await write(path.join(directory, `${name}.json`), {[name]: balance});
    }
  },
  async total(directory) {
    const totals = (await list(directory)).map(total);
    return (await Promise.all(totals)).reduce((sum, each) => sum + each, 0);
  },
};

async function list(directory: string): Promise<string[]> {
  const names = await readdir(directory);
  // Others may be writing to temporary files.
  return names.filter((name) => name.endsWith('.json')).map((name) => path.join(directory, name));
}

/**
 * Runs many clients at once. Each makes one transfer after the other between two files. If there
 * are locks, each transfer holds those of both files.
 */
export async function transfersBetweenFiles(
  directory: string,
  locks?: LocksByKey<string>,
): Promise<void> {
  const files = await list(directory);
  const anyone = () => files[randomInt(files.length)] as string;

  await clients(async () => {
    const [from, to, amount] = [anyone(), anyone(), randomInt(1, 100_00)];
    if (locks === undefined) await transferBetweenFiles(from, to, amount);
    else await locks.withLocks([from, to], transferBetweenFiles, from, to, amount);
  });
}

async function transferBetweenFiles(from: string, to: string, amount: number): Promise<void> {
  await change(from, path.basename(from, '.json'), -amount);
  await change(to, path.basename(to, '.json'), amount);
}

/**
 * Runs one synchronous client, which blocks its thread for each transfer. If there is a lock, each
 * transfer holds it.
 */
export function transfersSync(file: string, lock?: SharedLock): void {
  const names = Object.keys(readSync(file));
  const anyone = () => names[randomInt(names.length)] as string;

  for (let i = 0; i < CLIENTS * TRANSFERS_PER_CLIENT; i++) {
    const [from, to, amount] = [anyone(), anyone(), randomInt(1, 100_00)];
    if (lock === undefined) transferSync(file, from, to, amount);
    else lock.withLockSync(transferSync, file, from, to, amount);
  }
}

function transferSync(file: string, from: string, to: string, amount: number): void {
  writeSync(copyOf(file), readSync(file));
  changeSync(file, from, -amount);
  changeSync(file, to, amount);
  rmSync(copyOf(file), {force: true});
}

function changeSync(file: string, name: string, amount: number): void {
  const accounts = readSync(file);
  accounts[name] = (accounts[name] ?? 0) + amount;
  writeSync(file, accounts);
}

/** What the clients need of a lock. */
export interface TransferLock {
  withLock(fn: typeof transfer, ...args: Parameters<typeof transfer>): Promise<void>;
}

/**
 * Runs many clients at once. Each makes one transfer after the other. If there is a lock, each
 * transfer holds it.
 */
export async function transfers(file: string, lock?: TransferLock): Promise<void> {
  const names = Object.keys(await read(file));
  const anyone = () => names[randomInt(names.length)] as string;

  await clients(async () => {
    const [from, to, amount] = [anyone(), anyone(), randomInt(1, 100_00)];
    if (lock === undefined) await transfer(file, from, to, amount);
    else await lock.withLock(transfer, file, from, to, amount);
  });
}

/** Runs all clients at once. Each of them makes its transfers one after the other. */
async function clients(makeTransfer: () => Promise<void>): Promise<void> {
  const client = async () => {
    for (let i = 0; i < TRANSFERS_PER_CLIENT; i++) await makeTransfer();
  };
  await Promise.all(Array.from({length: CLIENTS}, client));
}

/** @param halfway called between the two changes */
export async function transfer(
  file: string,
  from: string,
  to: string,
  amount: number,
  halfway?: () => void,
): Promise<void> {
  await write(copyOf(file), await read(file));
  await change(file, from, -amount);
  halfway?.();
  await change(file, to, amount);
  await rm(copyOf(file), {force: true});
}

/**
 * Undoes a transfer that another thread may have left half made: it puts the accounts back as they
 * were before. The thread that inherits the lock calls it. It is synchronous, so that it has
 * finished when `onAbandoned` returns.
 */
export function undoTransfer(file: string): void {
  if (existsSync(copyOf(file))) renameSync(copyOf(file), file);
}

/** Is there while a transfer is not complete. */
export const copyOf = (file: string) => `${file}.before`;

async function change(file: string, name: string, amount: number): Promise<void> {
  const accounts = await read(file);
  // A real program would do something here that takes time, such as checking a limit.
  await setTimeout(randomInt(1, 4));
  accounts[name] = (accounts[name] ?? 0) + amount;
  await write(file, accounts);
}

async function read(file: string): Promise<Accounts> {
  return JSON.parse(await readFile(file, 'utf8')) as Accounts;
}

function readSync(file: string): Accounts {
  return JSON.parse(readFileSync(file, 'utf8')) as Accounts;
}

function writeSync(file: string, accounts: Accounts): void {
  const temporary = `${file}.${randomUUID()}`;
  writeFileSync(temporary, JSON.stringify(accounts, null, 2));
  renameSync(temporary, file);
}

/** Writes so that nobody ever reads half a file, with or without a lock. */
async function write(file: string, accounts: Accounts): Promise<void> {
  const temporary = `${file}.${randomUUID()}`;
  await writeFile(temporary, JSON.stringify(accounts, null, 2));
  await rename(temporary, file);
}

const money = (cents: number) => (cents / 100).toFixed(2).padStart(9);

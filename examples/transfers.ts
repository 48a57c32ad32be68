/**
 * The job of every example: clients move money at the same time between accounts that are kept in a
 * JSON file, or in one for each of them. Money never comes or goes, so the total must stay what it was.
 *
 * A transfer changes the file twice, and each change is a read and a write. Without a lock, what
 * others write between the two is lost.
 *
 * A thread may be ended in the middle of a transfer. So a copy of the accounts is kept until it is
 * complete.
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

/** Where the accounts are, at some path. */
interface Bank {
  open(place: string): Promise<void>;
  total(place: string): Promise<number>;
}

const oneFile: Bank = {open: openAccounts, total};

/** Runs `job` on new accounts, in one file unless said, and prints the total before and after. */
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

/** The same accounts, each in a file of its own, in one directory. */
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
  // Others may be writing, to temporary files.
  return names.filter((name) => name.endsWith('.json')).map((name) => path.join(directory, name));
}

/**
 * Many clients at once, each making one transfer after the other between two files; every transfer
 * under the locks of both, if given.
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
 * One synchronous client, which blocks its thread for each transfer; every transfer under `lock`, if
 * given.
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
 * Many clients at once, each making one transfer after the other; every transfer under `lock`, if
 * given.
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

/** Each client makes its transfers one after the other. */
async function clients(makeTransfer: () => Promise<void>): Promise<void> {
  const client = async () => {
    for (let i = 0; i < TRANSFERS_PER_CLIENT; i++) await makeTransfer();
  };
  await Promise.all(Array.from({length: CLIENTS}, client));
}

/** @param halfway called between the two changes, for an example of what may happen there */
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
 * For a thread that got the lock from one that ended while it held it: puts back the accounts as
 * they were before the transfer that the other may have left half made. Synchronous, so that it is
 * done when `onAbandoned` returns.
 */
export function undoTransfer(file: string): void {
  if (existsSync(copyOf(file))) renameSync(copyOf(file), file);
}

/** Is there while a transfer is not complete. */
export const copyOf = (file: string) => `${file}.before`;

async function change(file: string, name: string, amount: number): Promise<void> {
  const accounts = await read(file);
  // What a program does here takes time of its own: asks for an exchange rate, checks a limit.
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

/** Never leaves half a file to a reader, with or without a lock. */
async function write(file: string, accounts: Accounts): Promise<void> {
  const temporary = `${file}.${randomUUID()}`;
  await writeFile(temporary, JSON.stringify(accounts, null, 2));
  await rename(temporary, file);
}

const money = (cents: number) => (cents / 100).toFixed(2).padStart(9);

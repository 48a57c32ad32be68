import {runInBrowser, type BrowserResults} from './contract.js';

declare function postMessage(results: BrowserResults | {error: string}): void;

const results = await runInBrowser('module worker').catch((error: unknown) => ({
  error: String(error),
}));
postMessage(results);

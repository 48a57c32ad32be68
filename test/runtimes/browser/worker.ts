import {runInBrowser, type BrowserResults} from './contract.js';

declare function postMessage(results: BrowserResults): void;

postMessage(await runInBrowser('module worker'));

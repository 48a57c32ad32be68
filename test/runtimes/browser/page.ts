/** A page that sends the results of the contract, its own and those of a module worker. */
import {runInBrowser, type BrowserResults} from './contract.js';

declare const Worker: new (
  url: URL,
  options: {type: 'module'},
) => {
  onmessage: (event: {data: BrowserResults | {error: string}}) => void;
  onerror: (event: {message: string}) => void;
};

const inWorker = new Promise<BrowserResults>((resolve, reject) => {
  const worker = new Worker(new URL('./worker.js', import.meta.url), {type: 'module'});
  worker.onmessage = ({data}) => {
    if ('error' in data) reject(new Error(data.error));
    else resolve(data);
  };
  worker.onerror = ({message}) => reject(new Error(`The worker failed: ${message}`));
});

const results = await Promise.all([runInBrowser('page'), inWorker]).catch((error: unknown) => ({
  error: String(error),
}));
await fetch('/results', {method: 'POST', body: JSON.stringify(results)});

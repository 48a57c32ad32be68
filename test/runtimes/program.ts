/** `program.js main|shared`: prints the results of the contract on this runtime, as JSON. */
import process from 'node:process';
import {runContract} from './contract.js';

const results = await runContract(process.argv.at(-1) as 'main' | 'shared');
console.log(JSON.stringify(results));
process.exit();

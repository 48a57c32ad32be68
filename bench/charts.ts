/**
 * `npm run bench:charts -- FILE`
 *
 * Draws the figures of a run, as `npm run bench -- --json FILE` wrote it: docs/one-thread.svg and
 * docs/across-threads.svg.
 */
import {writeFileSync} from 'node:fs';
import {parse, View} from 'vega';
import {compile, type TopLevelSpec} from 'vega-lite';
import {acrossThreadsChart} from './charts/acrossThreads.js';
import {oneThreadChart} from './charts/oneThread.js';
import {readReports} from './support/report.js';

const [, , file] = process.argv;
if (file === undefined) throw new Error('Usage: npm run bench:charts -- FILE');
const reports = readReports(file);
// What most users run.
const report = reports.find(({node}) => node.startsWith('v24.')) ?? reports.at(-1);
if (report === undefined) throw new Error(`There is no report in ${file}.`);

async function draw(spec: TopLevelSpec, name: string): Promise<void> {
  const svg = await new View(parse(compile(spec).spec), {renderer: 'none'}).toSVG();
  writeFileSync(new URL(`../docs/${name}.svg`, import.meta.url), `${svg}\n`);
}

await draw(oneThreadChart(report), 'one-thread');
await draw(acrossThreadsChart(report), 'across-threads');

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
import {readReport} from './support/report.js';

const [, , file] = process.argv;
if (file === undefined) throw new Error('Usage: npm run bench:charts -- FILE');
const report = readReport(file);

async function draw(spec: TopLevelSpec, name: string): Promise<void> {
  const svg = await new View(parse(compile(spec).spec), {renderer: 'none'}).toSVG();
  writeFileSync(new URL(`../docs/${name}.svg`, import.meta.url), `${svg}\n`);
}

await draw(oneThreadChart(report), 'one-thread');
await draw(acrossThreadsChart(report), 'across-threads');

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
import {withDarkColours} from './charts/panels.js';
import {readReports} from './support/report.js';

const [, , file] = process.argv;
if (file === undefined) throw new Error('Usage: npm run bench:charts -- FILE');
const reports = readReports(file);
// What users run.
const shown = reports.filter(({node}) => /^v2[46]\./.test(node));
if (shown.length === 0) throw new Error(`Neither Node.js 24 nor 26 was measured in ${file}.`);

async function draw(spec: TopLevelSpec, name: string): Promise<void> {
  const svg = await new View(parse(compile(spec).spec), {renderer: 'none'}).toSVG();
  writeFileSync(new URL(`../docs/${name}.svg`, import.meta.url), `${withDarkColours(svg)}\n`);
}

await draw(oneThreadChart(shown), 'one-thread');
await draw(acrossThreadsChart(shown), 'across-threads');

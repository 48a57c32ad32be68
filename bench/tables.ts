/** The figures of a run as tables. */
import {blockingTables} from './blocking/tables.js';
import {goals, type Goal} from './goals.js';
import {growthTables} from './growth/tables.js';
import {keysTables} from './keys/tables.js';
import {machinesTables} from './machines/tables.js';
import {oneThreadTables} from './oneThread/tables.js';
import {describeRun, PARTS, type Part, type Report} from './support/report.js';
import {formatTable, number} from './support/table.js';
import {threadsTables} from './threads/tables.js';

const tablesOf: Record<Part, (report: Report) => string[]> = {
  'one-thread': oneThreadTables,
  threads: threadsTables,
  keys: keysTables,
  blocking: blockingTables,
  growth: growthTables,
  machines: machinesTables,
};

/** All that was measured on one Node.js. */
export function tables(report: Report): string {
  const measured = PARTS.filter((part) => report.cells.some((cell) => cell.part === part));
  return [describeRun(report), ...measured.flatMap((part) => tablesOf[part](report))].join('\n\n');
}

export interface CheckedGoal extends Goal {
  readonly node: string;
  readonly verdict: 'met' | 'missed';
}

/** The goals that were measured. */
export const check = (reports: readonly Report[]): CheckedGoal[] =>
  reports.flatMap((report) =>
    goals(report).flatMap((goal) => {
      const {figure, atLeast = -Infinity, atMost = Infinity} = goal;
      if (figure === undefined) return [];
      const verdict = figure >= atLeast && figure <= atMost ? 'met' : 'missed';
      return {...goal, node: report.node, verdict};
    }),
  );

/** The goals in rows, each Node.js in a column. */
export function goalsTable(checked: readonly CheckedGoal[]): string {
  const nodes = [...new Set(checked.map(({node}) => node))];
  const rows = new Map<string, CheckedGoal[]>();
  for (const goal of checked) {
    const name = `${goal.row}: ${goal.of}`;
    rows.set(name, [...(rows.get(name) ?? []), goal]);
  }
  return formatTable(
    ['', 'goal', ...nodes],
    [...rows].map(([name, ofRow]) => {
      const {atLeast, atMost} = ofRow[0] as CheckedGoal;
      const limit =
        atLeast === undefined ? `at most ${number(atMost)}` : `at least ${number(atLeast)}`;
      const cells = nodes.map((node) => {
        const goal = ofRow.find((each) => each.node === node);
        return goal === undefined ? '' : `${number(goal.figure)} ${goal.verdict}`;
      });
      return [name, limit, ...cells];
    }),
    2,
  );
}

/** The look of the charts: rows of panels side by side, each with a bar for every lock. */
import type {TopLevelSpec} from 'vega-lite';
import {describeRun, type Report} from '../support/report.js';

export interface Figure {
  readonly panel: string;
  readonly lock: string;
  readonly group: Group;
  readonly value: number;
}

export type Group = 'ours' | 'others' | 'flawed' | 'floor';

/** A colour on a light page, and on a dark one. */
const COLOURS: Readonly<Record<Group, readonly [light: string, dark: string]>> = {
  ours: ['#c2410c', '#fb923c'],
  others: ['#475569', '#94a3b8'],
  flawed: ['#7c3aed', '#c4b5fd'],
  floor: ['#b0bac8', '#5b6675'],
};
const PAGE = ['#ffffff', '#0d1117'] as const;
const TEXT = ['#1f2328', '#e6edf3'] as const;
const QUIET = ['#57606a', '#9198a1'] as const;
const LINE = ['#e2e8f0', '#30363d'] as const;

export const majorOf = ({node}: Report) => node.replace(/^v(\d+)\..*/, '$1');

/** Vega writes the colours of a light page. This adds those of a dark one. */
export function withDarkColours(svg: string): string {
  const pairs = [...Object.values(COLOURS), PAGE, TEXT, QUIET, LINE];
  const rules = pairs.flatMap(([light, dark]) =>
    ['fill', 'stroke'].map((name) => `[${name}="${light}"]{${name}:${dark}}`),
  );
  const style = `<style>@media (prefers-color-scheme:dark){${rules.join('')}}</style>`;
  return svg.replace('>', `>${style}`);
}

type Row = Extract<TopLevelSpec, {vconcat: unknown}>['vconcat'][number];

export interface PanelRow {
  readonly figures: readonly Figure[];
  /** What the figures are, with their unit. */
  readonly axis: string;
}

export interface ChartOptions {
  readonly title: string;
  readonly explanation: string;
  /** What is wrong with the locks that are flawed. */
  readonly flaw: string;
  readonly rows: readonly PanelRow[];
}

export function chart(
  reports: readonly Report[],
  {title, explanation, flaw, rows}: ChartOptions,
): TopLevelSpec {
  const color = colours(rows, flaw);
  const [page, text, quiet, line] = [PAGE[0], TEXT[0], QUIET[0], LINE[0]];
  return {
    title: {
      text: title,
      subtitle: [explanation, ...reports.map(describeRun)],
      anchor: 'start',
      offset: 16,
    },
    vconcat: rows.map((row) => panelRow(row, color)),
    background: page,
    padding: 20,
    spacing: 28,
    config: {
      font: 'Helvetica, Arial, sans-serif',
      title: {
        color: text,
        fontSize: 18,
        subtitleFontSize: 13,
        subtitleColor: quiet,
        subtitlePadding: 6,
      },
      axis: {
        labelColor: text,
        titleColor: quiet,
        domainColor: line,
        tickColor: line,
        gridColor: line,
        labelFontSize: 12,
        titleFontSize: 12,
        titleFontWeight: 'normal',
        labelLimit: 240,
      },
      header: {labelColor: text, labelFontSize: 13, labelFontWeight: 'bold', title: null},
      legend: {
        labelColor: text,
        labelFontSize: 12,
        labelLimit: 0,
        title: null,
        orient: 'bottom',
        symbolType: 'square',
        columns: 1,
      },
      view: {stroke: line},
    },
  };
}

function colours(rows: readonly PanelRow[], flaw: string) {
  const used = new Set(rows.flatMap(({figures}) => figures.map(({group}) => group)));
  const names = {
    ours: 'this package',
    others: 'others',
    flawed: flaw,
    floor: 'the floor: no lock, or a bare queue',
  };
  const groups = (Object.keys(names) as Group[]).filter((group) => used.has(group));
  return {
    field: 'group',
    type: 'nominal',
    scale: {domain: groups, range: groups.map((group) => COLOURS[group][0])},
    legend: {labelExpr: `(${JSON.stringify(names)})[datum.value]`},
  } as const;
}

function panelRow({figures, axis}: PanelRow, color: ReturnType<typeof colours>): Row {
  const panels = unique(figures, 'panel');
  const locks = unique(figures, 'lock');
  return {
    spacing: 28,
    hconcat: panels.map((panel, index) => {
      const inPanel = figures.filter((figure) => figure.panel === panel);
      const longest = Math.max(...inPanel.map(({value}) => value));
      const x = {
        field: 'value',
        type: 'quantitative' as const,
        // The longest bar is followed by its figure.
        scale: {domain: [0, longest * 1.35], nice: false},
        axis: {title: axis, format: '~s', tickCount: 4},
      };
      return {
        title: {text: panel, fontSize: 13, color: TEXT[0], offset: 6},
        data: {values: inPanel.map((figure) => ({...figure, text: shortNumber(figure.value)}))},
        width: 210,
        height: {step: 22},
        encoding: {
          y: {
            field: 'lock',
            type: 'nominal',
            sort: locks,
            scale: {domain: locks},
            axis: {title: null, ticks: false, domain: false, labels: index === 0},
          },
          color,
        },
        layer: [
          {mark: {type: 'bar', height: {band: 0.6}}, encoding: {x}},
          {
            mark: {type: 'text', align: 'left', dx: 5, fontSize: 12, color: TEXT[0]},
            encoding: {x, text: {field: 'text'}, color: {value: TEXT[0]}},
          },
        ],
      } as const;
    }),
  };
}

const unique = (figures: readonly Figure[], key: 'panel' | 'lock') => [
  ...new Set(figures.map((figure) => figure[key])),
];

const shortNumber = (value: number) =>
  new Intl.NumberFormat('en', {
    maximumSignificantDigits: 3,
    notation: value < 100_000 ? 'standard' : 'compact',
  }).format(value);

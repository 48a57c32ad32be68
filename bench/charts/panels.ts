/** The look of the charts: rows of panels side by side, each with a line for every lock. */
import type {TopLevelSpec} from 'vega-lite';
import {describeRun, type Report} from '../support/report.js';

export interface Figure {
  readonly panel: string;
  readonly lock: string;
  readonly group: Group;
  readonly value: number;
}

export type Group = 'ours' | 'others' | 'flawed' | 'floor';

const COLOURS: Readonly<Record<Group, string>> = {
  ours: '#c2410c',
  others: '#475569',
  flawed: '#7c3aed',
  floor: '#94a3b8',
};

type Row = Extract<TopLevelSpec, {vconcat: unknown}>['vconcat'][number];

export interface PanelRow {
  readonly figures: readonly Figure[];
  /** What the figures are, with their unit. */
  readonly axis: string;
}

export interface ChartOptions {
  readonly title: string;
  readonly explanation: readonly string[];
  /** What is wrong with the locks that are flawed. */
  readonly flaw: string;
  readonly rows: readonly PanelRow[];
}

export function chart(
  report: Report,
  {title, explanation, flaw, rows}: ChartOptions,
): TopLevelSpec {
  const color = colours(rows, flaw);
  return {
    title: {
      text: title,
      subtitle: [...explanation, describeRun(report)],
      anchor: 'start',
      offset: 16,
    },
    vconcat: rows.map((row) => panelRow(row, color)),
    background: 'white',
    padding: 20,
    spacing: 28,
    config: {
      font: 'Helvetica, Arial, sans-serif',
      title: {fontSize: 18, subtitleFontSize: 13, subtitleColor: '#475569', subtitlePadding: 6},
      axis: {labelFontSize: 12, titleFontSize: 12, titleFontWeight: 'normal', labelLimit: 240},
      header: {labelFontSize: 13, labelFontWeight: 'bold', title: null},
      legend: {
        labelFontSize: 12,
        labelLimit: 0,
        title: null,
        orient: 'bottom',
        symbolType: 'circle',
        columns: 1,
      },
      view: {stroke: '#e2e8f0'},
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
    scale: {domain: groups, range: groups.map((group) => COLOURS[group])},
    legend: {labelExpr: `(${JSON.stringify(names)})[datum.value]`},
  } as const;
}

function panelRow({figures, axis}: PanelRow, color: ReturnType<typeof colours>): Row {
  const values = figures.map(({value}) => value);
  const decades = powersOfTen(Math.min(...values), Math.max(...values));
  const start = decades[0] as number;
  const x = {
    field: 'value',
    type: 'quantitative' as const,
    // The longest line is followed by its figure.
    scale: {type: 'log' as const, domain: [start, Math.max(...values) * 12], nice: false},
    axis: {title: axis, format: '~s', values: decades, gridColor: '#e2e8f0'},
  };
  return {
    data: {values: figures.map((figure) => ({...figure, text: shortNumber(figure.value)}))},
    facet: {column: {field: 'panel', type: 'nominal', sort: unique(figures, 'panel')}},
    align: 'all',
    bounds: 'flush',
    spacing: 28,
    spec: {
      width: 210,
      height: {step: 24},
      encoding: {
        y: {
          field: 'lock',
          type: 'nominal',
          sort: unique(figures, 'lock'),
          axis: {title: null, ticks: false, domain: false},
        },
        color,
      },
      layer: [
        {mark: {type: 'rule', strokeWidth: 2.5}, encoding: {x, x2: {datum: start}}},
        {mark: {type: 'point', filled: true, size: 90, opacity: 1}, encoding: {x}},
        {
          mark: {type: 'text', align: 'left', dx: 9, fontSize: 12},
          encoding: {x, text: {field: 'text'}},
        },
      ],
    },
  };
}

const unique = (figures: readonly Figure[], key: 'panel' | 'lock') => [
  ...new Set(figures.map((figure) => figure[key])),
];

/** From one well below `smallest`, which is to have a line too, to the one below `largest`. */
function powersOfTen(smallest: number, largest: number): number[] {
  const first = Math.floor(Math.log10(smallest / 1.3));
  const last = Math.floor(Math.log10(largest));
  return Array.from({length: last - first + 1}, (_, index) => 10 ** (first + index));
}

const shortNumber = (value: number) =>
  new Intl.NumberFormat('en', {
    maximumSignificantDigits: 3,
    notation: value < 100_000 ? 'standard' : 'compact',
  }).format(value);

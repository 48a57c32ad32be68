/** Tables and figures as text. */

/** The first column is a label and stands left, as `left` more do; figures stand right. */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  left = 1,
): string {
  const widths = header.map((cell, column) =>
    Math.max(cell.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    widths
      .map((width, column) => {
        const cell = cells[column] ?? '';
        return column < left ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ')
      .trimEnd();
  return [
    line(header),
    widths.map((width) => '-'.repeat(width)).join('  '),
    ...rows.map(line),
  ].join('\n');
}

/** Three significant digits, and no more than are there. */
const digits = new Intl.NumberFormat('en', {maximumSignificantDigits: 3});

export const number = (value: number | undefined) =>
  value === undefined ? '' : digits.format(value);

export const withUnit = (value: number | undefined, unit: string) =>
  value === undefined ? '' : `${number(value)} ${unit}`;

export const times = (ratio: number | undefined) =>
  ratio === undefined ? '' : `${number(ratio)}×`;

export const ratio = (a: number | undefined, b: number | undefined) =>
  a === undefined || b === undefined ? undefined : a / b;

/** The account of an execution: each operation on the memory, with the names of its cells. */
import type {Slot} from '../../src/shared/memory/layout.js';
import {indexBegin, type Layout} from './layout.js';
import type {Machine} from './machine.js';

/** `Atomics` that also log each operation. */
export function logged(machine: Machine, layout: () => Layout): unknown {
  const operations = Object.entries(machine.memory.atomics) as [
    string,
    (...args: unknown[]) => unknown,
  ][];
  return Object.fromEntries(
    operations.map(([name, operation]) => [
      name,
      (cells: Int32Array, ...args: [number, ...number[]]) => {
        const result = operation(cells, ...args);
        const [cell, ...values] = args;
        const shown = typeof result === 'number' ? hex(result) : JSON.stringify(result);
        machine.log?.(
          `    ${machine.current.id}: ${name}(${[cellName(machine, cell, layout()), ...values.map(hex)].join(', ')}) = ${shown}`,
        );
        return result;
      },
    ]),
  );
}

const NO_CELLS = new Int32Array();

const hex = (value: number) =>
  value >= 0 && value < 10 ? String(value) : `0x${(value >>> 0).toString(16)}`;

function cellName(machine: Machine, cell: number, layout: Layout): string {
  const {SLOTS, THREAD, CALLS, TOKENS, LAST_TOKEN} = layout;
  const cells = machine.memory.cells ?? NO_CELLS;
  if (cell >= indexBegin(layout, cells)) return `index ${cell - indexBegin(layout, cells)}`;
  const {word} = layout.entryAt(cells, 0);
  if (cell >= word) {
    const size = layout.entryAt(cells, 1).word - word;
    const name = entryCellName((cell - word) % size, layout);
    return layout.countEntries(cells) === 1
      ? name
      : `${name} of entry ${Math.floor((cell - word) / size)}`;
  }
  for (let slot = 0 as Slot; slot < SLOTS; slot++) {
    const field = cell - layout.slotCell(slot, 0);
    if (field < 0 || field > LAST_TOKEN) continue;
    const name =
      field >= TOKENS
        ? `token cell ${field - TOKENS}`
        : field === THREAD
          ? 'thread'
          : field === CALLS
            ? 'calls'
            : `time ${field}`;
    return `${name} of slot ${slot}`;
  }
  return `header ${cell}`;
}

function entryCellName(field: number, {WAITING, DEATHS, KEY}: Layout): string {
  if (field === 0) return 'word';
  if (field < DEATHS) return `waiting ${field - WAITING}`;
  if (field < KEY) return `deaths ${field - DEATHS}`;
  return field < KEY + 4 ? `key ${field - KEY}` : 'generation';
}

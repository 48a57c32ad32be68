/** The account of an execution: each operation on the memory, with the names of its cells. */
import type {Slot} from '../../src/shared/memory/layout.js';
import type {Layout} from './layout.js';
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
          `    ${machine.current.id}: ${name}(${[cellName(cell, layout()), ...values.map(hex)].join(', ')}) = ${shown}`,
        );
        return result;
      },
    ]),
  );
}

const NO_CELLS = new Int32Array();

const hex = (value: number) =>
  value >= 0 && value < 10 ? String(value) : `0x${(value >>> 0).toString(16)}`;

function cellName(cell: number, layout: Layout): string {
  const {SLOTS, THREAD, CALLS, TOKENS, LAST_TOKEN, WAITING, DEATHS} = layout;
  const {word} = layout.entryAt(NO_CELLS, 0);
  if (cell >= word) {
    const field = cell - word;
    return field === 0 ? 'word' : `${field < DEATHS ? 'waiting' : 'deaths'} ${field - WAITING}`;
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

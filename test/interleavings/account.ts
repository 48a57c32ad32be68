/** The account of an execution: each operation on the memory, with the names of its cells. */
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

const hex = (value: number) =>
  value >= 0 && value < 10 ? String(value) : `0x${(value >>> 0).toString(16)}`;

function cellName(cell: number, {WORD, HEADER_CELLS, SLOT_CELLS, FIRST_TOKEN}: Layout): string {
  if (cell < HEADER_CELLS) return cell === WORD ? 'word' : `header ${cell}`;
  const slot = Math.floor((cell - HEADER_CELLS) / SLOT_CELLS);
  const field = (cell - HEADER_CELLS) % SLOT_CELLS;
  return `${['thread', 'ticket', 'parked at'][field] ?? `token ${field - FIRST_TOKEN}`} of slot ${slot}`;
}

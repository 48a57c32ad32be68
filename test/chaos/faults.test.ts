import test from 'ava';
import {applyEdits} from '../support/edits.js';
import {faults} from './faults.js';

test('every planted fault fits the sources', (t) => {
  for (const [name, edits] of Object.entries(faults)) t.notThrows(() => applyEdits(edits), name);
});

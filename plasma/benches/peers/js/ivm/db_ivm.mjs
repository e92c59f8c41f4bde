// @tanstack/db-ivm: the operators alone, without collections.
import { D2, MultiSet, filter, groupBy, groupByOperators, map, orderByWithFractionalIndex, output } from '@tanstack/db-ivm';
import { EDITS, ROWS, check, groups, now, random, recordMemory, recordTimes, row, top50 } from '../util.mjs';

const NAME = 'db-ivm';
// One graph a scenario; `edit` returns the time of each edit.
function graph(build) {
  const d2 = new D2();
  const input = d2.newInput();
  build(input);
  d2.finalize();
  const push = (changes) => {
    input.sendData(new MultiSet(changes));
    d2.run();
  };
  const rows = Array.from({ length: ROWS }, (_, i) => row(i));
  push(rows.map((r) => [[r.id, r], 1]));
  const edit = (at, value) => {
    const old = rows[at];
    rows[at] = value;
    const start = now();
    push([[[old.id, old], -1], [[value.id, value], 1]]);
    return now() - start;
  };
  return { rows, edit };
}
// Keeps what an operator says.
const keep = (into) => output((set) => {
  for (const [[key], n] of set.getInner()) {
    const left = (into.get(key) ?? 0) + n;
    if (left) into.set(key, left);
    else into.delete(key);
  }
});

{
  const shown = new Map();
  const { rows, edit } = graph((input) => {
    const comparator = (a, b) => a[0] - b[0] || (a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0);
    input.pipe(filter(([, r]) => r.done === 0), orderByWithFractionalIndex((r) => [-r.prio, r.id], { limit: 50, comparator }), keep(shown));
  });
  const times = [];
  for (let k = 0; k < EDITS; k++) { const at = random(ROWS); times.push(edit(at, { ...rows[at], done: 1 - rows[at].done })); }
  for (let k = 0; k < EDITS; k++) { const at = random(ROWS); times.push(edit(at, { ...rows[at], prio: random(1000) })); }
  recordTimes('ivm_top50', 'edit off the window', NAME, times);
  const within = [];
  for (let k = 0; k < 1000; k++) { const at = 2 * (k % 40); within.push(edit(at, { ...row(at), prio: 5000 + k })); }
  check(top50([...rows]).sort().join() === [...shown.keys()].sort().join(), 'the top 50');
  recordTimes('ivm_top50', 'edit in the window', NAME, within);
}

{
  const totals = new Map();
  const { rows, edit } = graph((input) => {
    const aggregates = { n: groupByOperators.count(), total: groupByOperators.sum((r) => r.prio) };
    const collect = output((set) => {
      for (const [[, value], n] of set.getInner()) if (n > 0) totals.set(value.owner, value);
    });
    input.pipe(map(([, r]) => r), groupBy((r) => ({ owner: r.owner }), aggregates), collect);
  });
  const times = [];
  for (let k = 0; k < EDITS; k++) { const at = random(ROWS); times.push(edit(at, { ...rows[at], owner: 'user' + random(100) })); }
  for (const [owner, right] of groups(rows)) {
    check(right.n === totals.get(owner).n && right.total === totals.get(owner).total, 'a group');
  }
  recordTimes('ivm_group', 'a row moves to another group', NAME, times);
}
recordMemory('memory', 'at the end', NAME);
process.exit(0);

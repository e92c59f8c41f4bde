// TinyBase, its store in memory: no outbox, no disk.
import { createIndexes, createQueries, createStore } from 'tinybase';
import { EDITS, ROWS, check, now, random, record, recordMemory, recordTimes, row } from '../util.mjs';

const NAME = 'TinyBase';
const started = now();
const store = createStore();
store.transaction(() => {
  for (let i = 0; i < ROWS; i++) {
    const { id, ...cells } = row(i);
    store.setRow('todos', id, cells);
  }
});
record('memory', 'load of the rows', NAME, 'time', (now() - started) / 1e6, 'ms');

{
  let seen = 0;
  const listener = store.addRowListener('todos', row(7).id, () => (seen = now()));
  const times = [];
  for (let k = 0; k < EDITS; k++) {
    const start = now();
    store.setCell('todos', row(7).id, 'prio', 10000 + k);
    times.push(seen - start);
  }
  check(times.every((time) => time > 0), 'the listener was told');
  recordTimes('mutate_memory', 'mutate to one-row subscriber', NAME, times);
  store.delListener(listener);
}
{
  const indexes = createIndexes(store);
  indexes.setIndexDefinition('owners', 'todos', 'owner');
  indexes.addSliceRowIdsListener('owners', null, () => {});
  const times = [];
  for (let k = 0; k < EDITS; k++) {
    const [id, owner] = [row(random(ROWS)).id, 'user' + random(100)];
    const start = now();
    store.setCell('todos', id, 'owner', owner);
    times.push(now() - start);
  }
  const members = indexes.getSliceRowIds('owners', 'user1').length;
  const right = store.getRowIds('todos').filter((id) => store.getCell('todos', id, 'owner') === 'user1').length;
  check(members === right, 'a slice of the index');
  recordTimes('ivm_group', 'a row moves to another group', `${NAME} (index, no sums)`, times);
  indexes.destroy();
}
{
  const queries = createQueries(store);
  queries.setQueryDefinition('open', 'todos', ({ select, where }) => {
    select('prio');
    where('done', 0);
  });
  queries.addResultSortedRowIdsListener('open', 'prio', true, 0, 50, () => {});
  const times = [];
  for (let k = 0; k < 300; k++) {
    const [id, prio] = [row(random(ROWS)).id, random(1000)];
    const start = now();
    store.setCell('todos', id, 'prio', prio);
    times.push(now() - start);
  }
  recordTimes('ivm_top50', 'edit off the window', NAME, times);
}
recordMemory('memory', 'at the end', NAME);
process.exit(0);

// Zero's zql engine alone, in process: a memory source, materialised views, edits pushed into the source.
import { EDITS, ROWS, check, now, random, record, recordMemory, recordTimes, row, top50 } from '../util.mjs';

const NAME = 'Zero zql';
const load = (path) => import(new URL(`./node_modules/@rocicorp/zero/out/${path}`, import.meta.url).href);
const { MemorySource } = await load('zql/src/ivm/memory-source.js');
const { QueryDelegateBase } = await load('zql/src/query/query-delegate-base.js');
const { newRunnableQuery } = await load('zql/src/query/runnable-query-impl.js');
const { makeSourceChangeAdd, makeSourceChangeEdit } = await load('zql/src/ivm/source.js');
const { createSchema, table, string, number } = await load('zero/src/zero.js');

const columns = { id: string(), title: string(), done: number(), owner: string(), prio: number(), created: number() };
const schema = createSchema({ tables: [table('todos').columns(columns).primaryKey('id')] });
const source = new MemorySource('todos', schema.tables.todos.columns, ['id']);
const listeners = new Set();
class Delegate extends QueryDelegateBase {
  defaultQueryComplete = true;
  enableNotExists = true;
  getSource() {
    return source;
  }
  onTransactionCommit(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }
}
const delegate = new Delegate();
const todos = () => newRunnableQuery(delegate, schema, 'todos');
const push = (change) => {
  for (const _ of source.push(change));
  for (const listener of listeners) listener();
};

const started = now();
const rows = Array.from({ length: ROWS }, (_, i) => row(i));
for (const r of rows) push(makeSourceChangeAdd(r));
record('memory', 'load of the rows', NAME, 'time', (now() - started) / 1e6, 'ms');

let notified = 0;
const best = todos().where('done', 0).orderBy('prio', 'desc').orderBy('id', 'asc').limit(50).materialize();
best.addListener(() => notified++);
// Times of edits, apart by whether a view changed.
let off = [];
let within = [];
function edit(at, value) {
  const old = rows[at];
  rows[at] = value;
  const before = notified;
  const start = now();
  push(makeSourceChangeEdit(value, old));
  const time = now() - start;
  (notified > before ? within : off).push(time);
}
function toggles() {
  for (let k = 0; k < EDITS; k++) {
    const at = random(ROWS);
    edit(at, { ...rows[at], done: 1 - rows[at].done });
  }
}
const right = () => check(top50([...rows]).join() === best.data.map((r) => r.id).join(), 'the top 50');

toggles();
for (let k = 0; k < EDITS; k++) {
  const at = random(ROWS);
  edit(at, { ...rows[at], prio: random(1000) });
}
for (let k = 0; k < 2000; k++) edit(2 * (k % 40), { ...row(2 * (k % 40)), prio: 5000 + k });
check(within.length >= 2000, 'the listener was told');
right();
recordTimes('ivm_top50', 'edit off the window', NAME, off);
recordTimes('ivm_top50', 'edit in the window', NAME, within);

for (let n = 0; n < 100; n++) {
  const view = todos().where('owner', 'user' + n).where('done', 0).orderBy('created', 'desc').limit(50).materialize();
  view.addListener(() => notified++);
}
[off, within] = [[], []];
toggles();
right();
recordTimes('ivm_fanout_views', '101 views, edit off all windows', NAME, off);
recordTimes('ivm_fanout_views', '101 views, edit in a window', NAME, within);
recordMemory('memory', 'at the end', NAME);
process.exit(0);

// PowerSync's client for Node, without its service: a real SQLite file, JSON views, a queue of writes. Local only.
import { PowerSyncDatabase, Schema, Table, column } from '@powersync/node';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ROWS, check, now, random, record, recordMemory, recordTimes, row, signal } from '../util.mjs';

const NAME = 'PowerSync';
const folder = fs.mkdtempSync(path.join(process.env.PLASMA_BENCH_DIR || os.tmpdir(), 'powersync-'));
const columns = { title: column.text, done: column.integer, owner: column.text, prio: column.integer, created: column.integer };
const schema = new Schema({ todos: new Table(columns, { indexes: { ranks: ['done', 'prio'] } }) });
const db = new PowerSyncDatabase({
  schema, database: { dbFilename: 'bench.db', dbLocation: folder, implementation: { type: 'node:sqlite' } },
});
await db.init();
const started = now();
await db.writeTransaction(async (tx) => {
  for (let i = 0; i < ROWS; i++) {
    const r = row(i);
    await tx.execute('INSERT INTO todos(id, title, done, owner, prio, created) VALUES (?, ?, ?, ?, ?, ?)',
      [r.id, r.title, r.done, r.owner, r.prio, r.created]);
  }
});
record('memory', 'load of the rows', NAME, 'time', (now() - started) / 1e6, 'ms');

// Updates, each until the watched query has it.
async function updates(sql, parameters, count, chosen) {
  const heard = signal();
  const stop = new AbortController();
  await new Promise((resolve, reject) => {
    const onResult = () => {
      resolve();
      heard.hit();
    };
    db.watch(sql, parameters, { onResult, onError: reject }, { signal: stop.signal, throttleMs: 0 });
  });
  const times = [];
  for (let k = 0; k < count; k++) {
    const told = heard.arm();
    const start = now();
    await db.execute('UPDATE todos SET prio = ? WHERE id = ?', [5000 + k, chosen(k)]);
    times.push((await told) - start);
  }
  stop.abort();
  return times;
}
const plain = [];
for (let k = 0; k < 1000; k++) {
  const start = now();
  await db.execute('UPDATE todos SET prio = ? WHERE id = ?', [random(1000), row(random(ROWS)).id]);
  plain.push(now() - start);
}
recordTimes('mutate_durable', 'mutate, nobody listens', NAME, plain);
const one = await updates('SELECT prio FROM todos WHERE id = ?', [row(7).id], 500, () => row(7).id);
check((await db.get('SELECT prio FROM todos WHERE id = ?', [row(7).id])).prio === 5499, 'the last update is there');
check((await db.get('SELECT count(*) AS n FROM ps_crud')).n >= 1500, 'the queue of writes');
recordTimes('mutate_durable', 'mutate to one-row subscriber', NAME, one);
const best = 'SELECT * FROM todos WHERE done = 0 ORDER BY prio DESC, id LIMIT 50';
recordTimes('ivm_top50', 'edit in the window', NAME, await updates(best, [], 100, (k) => row(2 * (k % 40)).id));
recordMemory('memory', 'at the end', NAME);
fs.rmSync(folder, { recursive: true });
process.exit(0);

// Triplit's client over its memory store, offline, 20,000 rows (100,000 take minutes to load).
import { Schema as S, TriplitClient } from '@triplit/client';
import { check, now, recordMemory, recordTimes, row, signal } from '../util.mjs';

const NAME = 'Triplit (20,000 rows)';
const columns = { id: S.Id(), title: S.String(), done: S.Number(), owner: S.String(), prio: S.Number(), created: S.Number() };
const client = new TriplitClient({ schema: { todos: { schema: S.Schema(columns) } }, storage: 'memory', autoConnect: false, logLevel: 'error' });
await client.transact(async (tx) => {
  for (let i = 0; i < 20_000; i++) await tx.insert('todos', row(i));
});
// Mutations, each until the live query has it.
async function mutations(query, count, chosen) {
  const heard = signal();
  await new Promise((resolve) => {
    client.subscribe(query, () => {
      resolve();
      heard.hit();
    });
  });
  const times = [];
  for (let k = 0; k < count; k++) {
    const told = heard.arm();
    const start = now();
    await client.update('todos', chosen(k), (todo) => void (todo.prio = 5000 + k));
    times.push((await told) - start);
  }
  return times;
}
const one = await mutations(client.query('todos').Where('id', '=', row(7).id), 200, () => row(7).id);
check((await client.fetchById('todos', row(7).id)).prio === 5199, 'the last mutation is there');
recordTimes('mutate_memory', 'mutate to one-row subscriber', NAME, one);
const best = client.query('todos').Where('done', '=', 0).Order('prio', 'DESC').Limit(50);
recordTimes('ivm_top50', 'edit in the window', NAME, await mutations(best, 60, (k) => row(2 * (k % 40)).id));
recordMemory('memory', 'at the end', NAME);
process.exit(0);

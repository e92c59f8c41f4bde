// Replicache over its memory store: rows come by a pull, then mutations to a subscriber of one row; and what a pull of
// one remote change costs while mutations are pending.
import { Replicache, TEST_LICENSE_KEY } from 'replicache';
import { ROWS, check, now, record, recordMemory, recordTimes, row, signal } from '../util.mjs';

const NAME = 'Replicache';
const ok = { httpStatusCode: 200, errorMessage: '' };
const key = (i) => 'todo/' + row(i).id;
const mutators = {
  async prio(tx, { i, prio }) {
    await tx.set(key(i), { ...(await tx.get(key(i))), prio });
  },
};
const open = (name, puller) =>
  new Replicache({
    name: name + process.pid, licenseKey: TEST_LICENSE_KEY, kvStore: 'mem', logLevel: 'error', pushDelay: 1e9, pullInterval: null,
    pusher: async () => ({ httpRequestInfo: ok }), puller, mutators,
  });
const rows = (count) => Array.from({ length: count }, (_, i) => ({ op: 'put', key: key(i), value: row(i) }));
// A store that is filled by its first pull; later pulls bring what `next` says.
async function filled(name, count, next) {
  let version = 0;
  const puller = async () => {
    const patch = ++version === 1 ? rows(count) : next(version);
    return { httpRequestInfo: ok, response: { cookie: version, lastMutationIDChanges: {}, patch } };
  };
  const replicache = open(name, puller);
  await new Promise((resolve) => {
    replicache.subscribe(async (tx) => await tx.get(key(count - 1)), { onData: (value) => value && resolve() });
  });
  return replicache;
}

{
  const started = now();
  const replicache = await filled('mutate', ROWS, () => []);
  const seconds = (now() - started) / 1e9;
  record('bootstrap_rows', '100,000 rows, in memory', NAME, 'rate', ROWS / seconds, 'rows/s');
  recordMemory('memory', 'rows in memory', NAME);
  const heard = signal();
  replicache.subscribe(async (tx) => (await tx.get(key(7)))?.prio, { onData: heard.hit });
  await replicache.query(async (tx) => await tx.get(key(7)));
  const times = [];
  for (let k = 0; k < 1500; k++) {
    const told = heard.arm();
    const start = now();
    const mutation = replicache.mutate.prio({ i: 7, prio: 10000 + k });
    times.push((await told) - start);
    await mutation;
  }
  check((await replicache.query((tx) => tx.get(key(7)))).prio === 11499, 'the last mutation is there');
  recordTimes('mutate_memory', 'mutate to one-row subscriber', NAME, times);
  await replicache.close();
}

for (const pending of [0, 10, 100, 1000]) {
  let brought = 0;
  const remote = (version) => [{ op: 'put', key: key(1), value: { ...row(1), prio: (brought = 100000 + version) } }];
  const replicache = await filled('rebase' + pending, 10_000, remote);
  const heard = signal();
  replicache.subscribe(async (tx) => (await tx.get(key(1)))?.prio, { onData: (prio) => prio === brought && heard.hit() });
  for (let k = 0; k < pending; k++) await replicache.mutate.prio({ i: 100 + k, prio: 5000 + k });
  const times = [];
  for (let k = 0; k < (pending < 1000 ? 30 : 8); k++) {
    const told = heard.arm();
    const start = now();
    replicache.pull({ now: true });
    times.push((await told) - start);
  }
  const last = await replicache.query((tx) => tx.get(key(99 + pending)));
  check(pending === 0 || last.prio === 4999 + pending, 'the pending mutations are there');
  recordTimes('rebase', `pending=${pending}`, NAME, times);
  await replicache.close();
}
process.exit(0);

// Zero as a whole: zero-cache, its API server, Postgres, and clients that share this process, each with its own
// WebSocket. PEERS_POSTGRES is the address of a scratch server with wal_level=logical; a database is made in it.
import { Zero } from '@rocicorp/zero';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import postgres from 'postgres';
import { ROWS, check, freePort, listening, now, pause, record, recordTimes } from '../util.mjs';
import { mutators, queries, schema } from './schema.mjs';

const NAME = 'Zero';
const CLIENTS = Number(process.env.CLIENTS || 50);
const PACED = Number(process.env.PACED || 100);
const PIPELINED = Number(process.env.PIPELINED || 500);

// Postgres, filled.
const base = process.env.PEERS_POSTGRES;
const admin = postgres(`${base}/postgres`, { max: 1, onnotice: () => {} });
await admin.unsafe('DROP DATABASE IF EXISTS zero_bench WITH (FORCE)');
await admin.unsafe('CREATE DATABASE zero_bench');
await admin.end();
const db = postgres(`${base}/zero_bench`, { max: 1 });
await db.unsafe(`CREATE TABLE todos (id text PRIMARY KEY, title text NOT NULL, done double precision NOT NULL,
  owner text NOT NULL, prio double precision NOT NULL, created double precision NOT NULL)`);
await db.unsafe(`INSERT INTO todos SELECT 't' || i, 'todo number ' || i, i % 2, 'user' || (i % 100), (i * 7919) % 1000,
  1700000000000 + i FROM generate_series(1, ${ROWS}) i`);

// The servers.
const folder = fs.mkdtempSync(path.join(process.env.PLASMA_BENCH_DIR || os.tmpdir(), 'zero-'));
const [api, cache] = [await freePort(), await freePort()];
const env = {
  ...process.env,
  API_PORT: String(api),
  ZERO_UPSTREAM_DB: `${base}/zero_bench`,
  ZERO_REPLICA_FILE: path.join(folder, 'replica.db'),
  ZERO_PORT: String(cache),
  ZERO_QUERY_URL: `http://127.0.0.1:${api}/query`,
  ZERO_MUTATE_URL: `http://127.0.0.1:${api}/mutate`,
  ZERO_NUM_SYNC_WORKERS: '1',
  ZERO_LOG_LEVEL: 'warn',
  ZERO_ADMIN_PASSWORD: 'x',
  ZERO_ENABLE_TELEMETRY: 'false',
  DO_NOT_TRACK: '1',
};
let over = false;
const children = [['api.mjs'], ['node_modules/.bin/zero-cache']].map((args) => {
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
  child.on('exit', (code) => {
    if (over) return;
    console.error(`error: ${args[0]} ended with ${code}`);
    stop(1);
  });
  return child;
});
async function stop(code) {
  over = true;
  const ended = children.map((child) => child.exitCode ?? new Promise((resolve) => child.on('exit', resolve)));
  for (const child of children) child.kill('SIGTERM');
  await Promise.race([Promise.all(ended), pause(10_000)]);
  fs.rmSync(folder, { recursive: true, force: true });
  process.exit(code);
}
process.on('SIGTERM', () => stop(1));
await Promise.all([listening(api), listening(cache, 120)]);

// The clients.
globalThis.localStorage ??= { getItem: () => null, setItem() {}, removeItem() {} };
const run = 'run' + Date.now();
const client = (i) =>
  new Zero({
    cacheURL: `http://127.0.0.1:${cache}`, schema, mutators, userID: 'user' + i, auth: 'user' + i, storageKey: 's' + i,
    kvStore: 'mem', logLevel: 'error', context: {},
  });
const follow = (zero, onRow) =>
  new Promise((resolve) => {
    zero.materialize(queries.todos.list({ owner: run })).addListener((rows, type) => {
      for (const r of rows) onRow(r.prio);
      if (type === 'complete') resolve();
    });
  });
let [wanted, written, reached, done] = [0, 0, 0, () => {}];
const [each, last, optimistic, acknowledged] = [[], [], [], []];
await Promise.all(Array.from({ length: CLIENTS }, (_, i) => {
  let newest = 0;
  return follow(client(i), (k) => {
    if (k <= newest) return;
    newest = k;
    if (!wanted || k < wanted) return;
    each.push(now() - written);
    if (++reached === CLIENTS) {
      last.push(now() - written);
      done();
    }
  });
}));
const writer = client(9999);
await follow(writer, () => {});
const write = (k) => writer.mutate(mutators.todos.put({ id: run, title: 'x'.repeat(40), done: 0, owner: run, prio: k, created: 1 }));
const expect = (k) => {
  [wanted, reached] = [k, 0];
  return new Promise((resolve) => (done = resolve));
};
for (let k = 1; k <= PACED; k++) {
  const all = expect(k);
  written = now();
  const mutation = write(k);
  await mutation.client;
  optimistic.push(now() - written);
  await mutation.server;
  acknowledged.push(now() - written);
  await all;
}
recordTimes('mutate_memory', 'mutate call, while synced', NAME, optimistic);
recordTimes('push_postgres', `acknowledged, ${CLIENTS} subscribers`, NAME, acknowledged);
recordTimes('fanout_50', `clients=${CLIENTS}`, NAME, each);
recordTimes('fanout_50', `clients=${CLIENTS}, the last`, NAME, last);

const all = expect(PACED + PIPELINED);
const start = now();
const confirmed = Array.from({ length: PIPELINED }, (_, k) => write(PACED + k + 1).server);
await Promise.all(confirmed);
record('push_postgres', 'one client, pipelined', NAME, 'rate', PIPELINED / ((now() - start) / 1e9), 'mutations/s');
await all;
const [stored] = await db`SELECT prio FROM todos WHERE id = ${run}`;
check(stored.prio === PACED + PIPELINED, 'the last mutation is in Postgres');
await stop(0);

// What the harnesses of the peers share: the workload, the clock, the figures.
//
// Rows and random numbers are those of `benches/ivm/todos.rs`. Figures are printed, and appended to the file that
// PLASMA_BENCH_OUT names in the columns of `benches/util/out.rs`.
import fs from 'node:fs';
import net from 'node:net';

export const ROWS = Number(process.env.ROWS || 100_000);
export const EDITS = Number(process.env.EDITS || 10_000);

// The i-th row.
export function row(i) {
  return {
    id: 't' + String(i).padStart(7, '0'),
    title: `todo number ${i} with some text`,
    done: i % 2,
    owner: 'user' + (i % 100),
    prio: (i * 7919) % 1000,
    created: 1700000000000 + i,
  };
}

// A random number below n; the same on every run.
let state = 12345;
export function random(n) {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  return Math.floor((state / 4294967296) * n);
}

// Nanoseconds.
export const now = () => Number(process.hrtime.bigint());

// One figure.
export function record(scenario, parameter, series, measure, value, unit) {
  console.log(`${scenario} | ${parameter} | ${series} | ${measure} ${Number(value.toPrecision(5))} ${unit}`);
  if (process.env.PLASMA_BENCH_OUT) {
    fs.appendFileSync(process.env.PLASMA_BENCH_OUT, [scenario, parameter, series, measure, value, unit].join('\t') + '\n');
  }
}

// Median, 99th percentile and mean of times in nanoseconds.
export function recordTimes(scenario, parameter, series, times) {
  const sorted = Float64Array.from(times).sort();
  const quantile = (part) => sorted[Math.round((sorted.length - 1) * part)] / 1000;
  record(scenario, parameter, series, 'p50', quantile(0.5), 'us');
  record(scenario, parameter, series, 'p99', quantile(0.99), 'us');
  record(scenario, parameter, series, 'mean', sorted.reduce((sum, time) => sum + time, 0) / sorted.length / 1000, 'us');
}

// The peak resident set of this process.
export function recordMemory(scenario, parameter, series) {
  record(scenario, parameter, series, 'peak memory', process.resourceUsage().maxRSS / 1024, 'MiB');
}

// Fails the harness when a peer did not do what it was asked: its figure would not count.
export function check(condition, what) {
  if (!condition) throw new Error(`wrong result: ${what}`);
}

// The right answer of the top 50: `NOT done ORDER BY prio DESC, id LIMIT 50`.
export function top50(rows) {
  return rows
    .filter((r) => r.done === 0)
    .sort((a, b) => b.prio - a.prio || (a.id < b.id ? -1 : 1))
    .slice(0, 50)
    .map((r) => r.id);
}

// The right answer of the groups: for each owner how many, and the sum of the ranks.
export function groups(rows) {
  const right = new Map();
  for (const r of rows) {
    const group = right.get(r.owner) ?? right.set(r.owner, { n: 0, total: 0 }).get(r.owner);
    group.n += 1;
    group.total += r.prio;
  }
  return right;
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Somebody who waits for one call of a listener: `arm` before the change, `hit` in the listener.
export function signal() {
  let fire = null;
  return {
    arm: () => new Promise((resolve) => (fire = resolve)),
    hit() {
      const armed = fire;
      fire = null;
      if (armed) armed(now());
    },
  };
}

// A port that is free now.
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

// Waits until somebody listens there.
export async function listening(port, seconds = 60) {
  for (let left = seconds * 20; left > 0; left--) {
    const open = await new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
      socket.unref();
    });
    if (open) return;
    await pause(50);
  }
  throw new Error(`nobody listens on port ${port} after ${seconds} s`);
}

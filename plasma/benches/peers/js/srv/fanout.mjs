// One writer, many subscribers: the times from a write to each of them, and to the last.
import { now, record, recordTimes } from '../util.mjs';

export const CLIENTS = Number(process.env.CLIENTS || 50);
const PACED = Number(process.env.PACED || 300);
const PIPELINED = Number(process.env.PIPELINED || 2000);

// `write(k)` makes change number k; the harness calls `seen(i, k)` when subscriber i has it.
export function fanout(name, write) {
  const newest = new Array(CLIENTS).fill(0);
  let [wanted, written, reached, done] = [0, 0, 0, () => {}];
  const [each, last] = [[], []];
  const seen = (i, k) => {
    if (k <= newest[i]) return;
    newest[i] = k;
    if (!wanted || k < wanted) return;
    each.push(now() - written);
    if (++reached === CLIENTS) {
      last.push(now() - written);
      done();
    }
  };
  const expect = (k) => {
    [wanted, reached] = [k, 0];
    return new Promise((resolve) => (done = resolve));
  };
  const go = async () => {
    for (let k = 1; k <= PACED; k++) {
      const all = expect(k);
      written = now();
      await write(k);
      await all;
    }
    recordTimes('fanout_50', `clients=${CLIENTS}`, name, each);
    recordTimes('fanout_50', `clients=${CLIENTS}, the last`, name, last);
    const all = expect(PACED + PIPELINED);
    const start = now();
    for (let k = 1; k <= PIPELINED; k += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, j) => write(PACED + k + j)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await all;
    record('fanout_50', `clients=${CLIENTS}, pipelined`, name, 'rate', PIPELINED / ((now() - start) / 1e9), 'writes/s');
  };
  return { seen, go };
}

/**
 * How soon another node sees a name that was registered here: a watcher on the second of three OS
 * processes stamps each by the clock that they share. Counted from the call of `register`, which
 * waits for the home of the key, and from its answer, which may come later than the row is seen.
 */
import type { Benchmark, Figure } from '../benchmark.js'

const NAMES = 2_000

const figure = (
  since: 'call' | 'answer',
  percent: number,
  names: number,
  goal?: number,
): Figure => ({
  name: `seen elsewhere, from ${since === 'call' ? 'the call' : 'the answer'}, p${percent}`,
  unit: 'us',
  ours: ['propagation', since, percent, names],
  erlang: ['propagation', since, percent, names],
  yardstick: 'mnesia:transaction, and mnesia:subscribe on the other node',
  goal,
})

export const propagation: Benchmark = {
  name: 'propagation',
  ours: { nodes: 3, setupEach: [['watch_names']], setup: [['propagate', 4_000]] },
  erlang: { nodes: 3, setup: [['mnesia'], ['watch_names'], ['propagate', 500]] },
  together: 'same',
  figures: [
    figure('call', 50, NAMES),
    figure('call', 99, 0),
    figure('answer', 50, 0),
    figure('answer', 99, 0, 1_000),
  ],
}

/** Who is registered under a key: random keys of a large table, and one key over and over. */
import type { Benchmark } from '../benchmark.js'

const of = (name: string, entries: number, figure: Benchmark['figures'][number]): Benchmark => ({
  name,
  ours: { nodes: 1, setup: [['fill', entries]] },
  erlang: { nodes: 1, setup: [['mnesia'], ['fill', entries]] },
  figures: [figure],
})

export const lookup: Benchmark = of('lookup', 1_000_000, {
  name: 'findByKey, random among 1M',
  unit: 'ns',
  ours: ['lookup', 1_000_000, 300_000],
  erlang: ['lookup', 1_000_000, 300_000],
  yardstick: 'mnesia:dirty_read',
  target: 1.5,
})

export const hotLookup: Benchmark = of('lookup-hot', 100_000, {
  name: 'findByKey, one key of 100k',
  unit: 'ns',
  ours: ['lookup_hot', 100_000, 3_000_000],
  erlang: ['lookup_hot', 100_000, 500_000],
  yardstick: 'mnesia:dirty_read',
  target: 1.5,
})

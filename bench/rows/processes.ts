/** What a process costs: the time to start one, and the memory of one that has nothing to do. */
import type { Benchmark } from '../benchmark.js'

export const spawn: Benchmark = {
  name: 'spawn',
  ours: { nodes: 1 },
  erlang: { nodes: 1 },
  figures: [
    {
      name: 'spawn, one after the other',
      unit: '/s',
      ours: ['spawn', 100_000],
      erlang: ['spawn', 20_000],
      yardstick: 'gen_server:start',
    },
  ],
}

export const idle: Benchmark = {
  name: 'idle',
  ours: { nodes: 1 },
  erlang: { nodes: 1 },
  figures: [
    {
      name: 'idle process, of 200k',
      unit: 'bytes',
      ours: ['idle_bytes', 200_000],
      erlang: ['idle_bytes', 200_000],
      yardstick: 'an idle gen_server',
      goal: 300,
      roundsMax: 2,
    },
  ],
}

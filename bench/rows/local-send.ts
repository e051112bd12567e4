/** One-way messages within a node, from first send to last receipt. */
import type { Benchmark } from '../benchmark.js'

export const localSend: Benchmark = {
  name: 'local-send',
  ours: { nodes: 1 },
  erlang: { nodes: 1 },
  figures: [
    {
      name: 'local send, 100 bytes',
      unit: '/s',
      ours: ['local_send_bytes', 2_000_000],
      erlang: ['local_send_bytes', 500_000],
      yardstick: '! with a 100-byte binary',
      target: 3,
    },
    {
      name: 'local send, small map',
      unit: '/s',
      ours: ['local_send_map', 2_000_000],
      erlang: ['local_send_map', 500_000],
      yardstick: '! with a map of two keys',
      target: 3,
    },
  ],
}

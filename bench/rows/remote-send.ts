/** One-way messages between two OS processes, from first send to last receipt. */
import type { Benchmark } from '../benchmark.js'

export const remoteSend: Benchmark = {
  name: 'remote-send',
  ours: { nodes: 2 },
  erlang: { nodes: 2 },
  figures: [
    {
      name: 'remote send, 100 bytes',
      unit: '/s',
      ours: ['remote_send', 200_000],
      erlang: ['remote_send', 200_000],
      yardstick: '! with a 100-byte binary',
      target: 1.2,
    },
  ],
}

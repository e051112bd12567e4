/** What may be written for `arbiter`, and what is said of what may not. */
import { describe, expect, test } from 'vitest'
import {
  arbiterFeature,
  arbiterSettings,
} from '../../../../src/cluster/arbiters/arbiter-options.js'

const settings = (option: unknown) => arbiterSettings(option as never)

describe('the option arbiter', () => {
  test('is the mesh unless a quorum or etcd is given', () => {
    expect(settings(undefined)).toEqual({ type: 'mesh' })
    expect(settings({ type: 'mesh' })).toEqual({ type: 'mesh' })
    expect(settings({ type: 'mesh', quorum: { size: 3 } })).toEqual({
      type: 'quorum',
      size: 3,
      leaseMs: 6_000,
    })
  })

  test('tells nodes with other settings apart', () => {
    const sizes = [3, 5].map((size) => arbiterFeature(settings({ type: 'mesh', quorum: { size } })))
    expect(new Set([undefined, ...sizes]).size).toBe(3)
  })

  test.each([
    { type: 'mesh', size: 3 },
    { type: 'mesh', quorum: null },
    { type: 'mesh', quorum: 3 },
    { type: 'mesh', quorum: {} },
    { type: 'mesh', quorum: { size: 0 } },
    { type: 'mesh', quorum: { size: '3' } },
    { type: 'mesh', quorum: { size: 3, leasMs: 4_000 } },
    { type: 'mesh', quorum: { size: 3, leaseMs: 1_000 } },
    { type: 'mesh', quorum: { size: 3, leaseMs: 1e12 } },
    { type: 'quorum', size: 3 },
    { quorum: { size: 3 } },
    'quorum',
  ])('never takes %j for a cluster without a quorum', (option) => {
    expect(() => settings(option)).toThrow(expect.objectContaining({ code: 'bad_argument' }))
  })
  test.each([
    { type: 'etcd' },
    { type: 'etcd', endpoints: [] },
    { type: 'etcd', endpoints: ['127.0.0.1:2379'] },
    { type: 'etcd', endpoints: ['http://127.0.0.1'] },
    { type: 'etcd', endpoints: 'http://127.0.0.1:2379' },
    { type: 'etcd', endpoints: ['http://127.0.0.1:2379'], username: 'citadel' },
    { type: 'etcd', endpoint: 'http://127.0.0.1:2379' },
    { type: 'etcd', endpoints: ['http://127.0.0.1:2379'], prefixx: 'mine/' },
    { type: 'etcd', endpoints: ['http://127.0.0.1:2379'], ttl: 5 },
    { type: 'etcd', endpoints: ['http://127.0.0.1:2379'], ttlSeconds: 1 },
    { type: 'etcd', endpoints: ['https://127.0.0.1:2379'], tls: { ca: 'ca.pem' } },
    { type: 'etcd', endpoints: ['https://127.0.0.1:2379'], tls: { ca: ['ca.pem'] } },
    'etcd',
  ])('takes no %j with what is missing or misspelt', (option) => {
    expect(() => settings(option)).toThrow(expect.objectContaining({ code: 'bad_argument' }))
  })
})

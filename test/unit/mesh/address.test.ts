import { describe, expect, test } from 'vitest'
import { isLoopback, isNowhere, parseAddress } from '../../../src/mesh/address.js'
import { ADDRESSES_MAX, believable, MEMBERS_MAX } from '../../../src/mesh/believable.js'
import type { Capability } from '../../../src/mesh/capability.js'

const offer = (addresses: string[], members: Capability['members'] = []): Capability => ({
  version: 1,
  features: [],
  modules: [],
  addresses,
  weight: 1,
  members,
})

const own = (remoteHost: string, ...addresses: string[]): readonly string[] =>
  believable(offer(addresses), 'x@10.0.0.7', remoteHost).addresses

describe('an address that a peer tells', () => {
  const LOOPBACK = [
    '127.0.0.1',
    '127.9.9.9',
    '2130706433',
    '0x7f.1',
    '0x7f000001',
    '0177.0.0.1',
    '127.1',
    '127.0.0.1.',
    'localhost',
    'LOCALHOST.',
    'a.localhost',
    'ip6-localhost',
    '[::1]',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
  ]

  test.each(LOOPBACK)('%s is loopback, and never that of another machine', (host) => {
    expect(isLoopback(host)).toBe(true)
    expect(own('10.0.0.7', `tcp://${host}:6379`)).toEqual([])
    const members = [{ node: 'y@10.0.0.8', creation: 1, addresses: [`tcp://${host}:6379`] }]
    const told = believable(offer([], members), 'x@10.0.0.7', '10.0.0.7')
    expect(told.members[0]!.addresses).toEqual([])
    // From this machine it is one of ours.
    expect(own('127.0.0.1', `tcp://${host}:6379`).length).toBe(1)
  })

  test.each([
    '0.0.0.0',
    '0',
    '0x0',
    '[::]',
    '[::ffff:0.0.0.0]',
    '224.0.0.1',
    '255.255.255.255',
    '[ff02::1]',
  ])('%s is nowhere, wherever it comes from', (host) => {
    expect(isNowhere(host)).toBe(true)
    expect(own('127.0.0.1', `tcp://${host}:1`)).toEqual([])
  })

  test('is one that could be its own: that of its name, or where it comes from', () => {
    const mine = ['tcp://10.0.0.7:1', 'tcp://192.168.0.7:1', 'tcp://node-7.internal:1']
    const others = ['tcp://10.0.0.8:22', 'tcp://169.254.169.254:80', 'tcp://[fe80::1]:1']
    expect(own('192.168.0.7', ...mine, ...others)).toEqual(mine)
  })

  test('is dialled as the system understands it', () => {
    expect(parseAddress('tcp://0x7f.1:80')).toEqual({ host: '127.0.0.1', port: 80 })
    expect(parseAddress('tcp://[::1]:80')).toEqual({ host: '::1', port: 80 })
    expect(parseAddress('tcp://h1:80')).toEqual({ host: 'h1', port: 80 })
    for (const uri of ['tcp://1.2.3.4.5:80', 'tcp://a:0', 'http://a:1']) {
      expect(parseAddress(uri)).toBeUndefined()
    }
  })

  test('counts among few: of 10,000 eight are kept, and of 100,000 members a thousand', () => {
    const many = Array.from({ length: 10_000 }, (_, n) => `tcp://10.0.0.7:${n + 1}`)
    expect(own('10.0.0.7', ...many).length).toBe(ADDRESSES_MAX)
    const members = Array.from({ length: 100_000 }, (_, n) => ({
      node: `m${n}@10.0.0.9`,
      creation: 1,
      addresses: [`tcp://10.0.0.9:${1 + (n % 65_535)}`],
    }))
    const told = believable(offer([], members), 'x@10.0.0.7', '10.0.0.7')
    expect(told.members.length).toBe(MEMBERS_MAX)
  })
})

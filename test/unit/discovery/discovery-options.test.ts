import { describe, expect, it } from 'vitest'
import { createDiscovery, type DiscoveryOption } from '../../../src/discovery/discovery-options.js'
import { DnsDiscovery } from '../../../src/discovery/dns-discovery.js'
import { EpmdDiscovery } from '../../../src/discovery/epmd-discovery.js'
import { RedisDiscovery } from '../../../src/discovery/redis-discovery.js'
import { StaticDiscovery } from '../../../src/discovery/static-discovery.js'
import { Simulation } from '../../../src/testing/simulation.js'
import { LogRecorder } from '../../support/log-recorder.js'

const { clock, random } = new Simulation({ seed: 1 }).world('h1')

const create = (option?: DiscoveryOption, environment = {}) =>
  createDiscovery(option, {
    environment,
    clock,
    random,
    log: new LogRecorder(),
    epmdNames: async () => [],
  })

describe('the option discovery', () => {
  it('is none unless it or the environment says something', () => {
    expect(create()).toBeUndefined()
    expect(create(undefined, { redisUrl: '', domain: 'x' })).toBeUndefined()
    expect(create(undefined, { redisUrl: 'redis://h:1' })).toBeInstanceOf(RedisDiscovery)
    expect(create(false, { redisUrl: 'redis://h:1' })).toBeUndefined()
  })

  it('makes what it names', () => {
    expect(create('redis://127.0.0.1:6379')).toBeInstanceOf(RedisDiscovery)
    expect(create('rediss://user:secret@h:6380/2')).toBeInstanceOf(RedisDiscovery)
    expect(create({ url: 'redis://h', domain: 'shop' })).toBeInstanceOf(RedisDiscovery)
    expect(create('epmd')).toBeInstanceOf(EpmdDiscovery)
    expect(create({ static: ['n1@h'] })).toBeInstanceOf(StaticDiscovery)
    expect(create({ dns: 'svc' })).toBeInstanceOf(DnsDiscovery)
    const own = new StaticDiscovery([])
    expect(create(own)).toBe(own)
  })

  it('says what to write when it is not understood, and never repeats a password', () => {
    expect(() => create('redsi://user:secret@h')).toThrow(/write redis:\/\/host:6379/)
    expect(() => create('nonsense')).toThrow(/URL of Redis is not valid/)
    expect(() => create({} as DiscoveryOption)).toThrow(/`discovery` is not understood/)
    expect(() => create(7 as unknown as DiscoveryOption)).toThrow(/not understood \(number\)/)
    expect(() => create({ client: {} } as unknown as DiscoveryOption)).toThrow(/ioredis instance/)
    expect(() => create({ url: 'redis://h', domain: 'a b' })).toThrow(/cannot be a domain/)
    try {
      create('http://user:secret@h')
    } catch (error) {
      expect(String(error)).not.toContain('secret')
    }
  })
})

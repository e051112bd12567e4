import { describe, expect, test } from 'vitest'
import { isNodeName, parseNodeName } from '../../../src/base/node-name.js'

describe('a node name', () => {
  test('is split into its name and its host', () => {
    expect(parseNodeName('n1@127.0.0.1')).toEqual({
      full: 'n1@127.0.0.1',
      name: 'n1',
      host: '127.0.0.1',
    })
    expect(parseNodeName('chat_2-b@guild.example.org').host).toBe('guild.example.org')
    expect(parseNodeName('n1@::1').host).toBe('::1')
  })

  test.each([
    ['n1', /"n1" has no host: write it as name@host, for example n1@127.0.0.1/],
    ['', /has no host/],
    ['@host', /before the @/],
    ['n1@', /after the @/],
    ['n1@a@b', /more than one @/],
    ['n 1@host', /before the @/],
    ['n1@ho st', /after the @/],
    ['n1@host\n', /after the @/],
    [`${'n'.repeat(255)}@host`, /longer than 255/],
  ])('that is %j is refused with what is wrong and an example', (name, message) => {
    expect(isNodeName(name)).toBe(false)
    expect(() => parseNodeName(name)).toThrow(message)
    expect(() => parseNodeName(name)).toThrow(expect.objectContaining({ code: 'bad_argument' }))
  })

  test('that is no string at all is refused as well', () => {
    expect(isNodeName(undefined)).toBe(false)
    expect(() => parseNodeName(7 as unknown as string)).toThrow(/is not a string/)
  })
})

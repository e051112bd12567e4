/** Where the cookie comes from, what may be in it, and that nothing shows it. */
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import { Cookie } from '../../../src/base/cookie.js'
import { silent } from '../../../src/base/log.js'
import { systemEnvironment } from '../../../src/environment.js'
import { Citadel } from '../../../src/index.js'
import { prepareHistory } from '../../../src/shell/history.js'
import { freePort } from '../../support/free-port.js'
import { type Scratch, scratch } from '../../support/scratch.js'

const folders: Scratch[] = []
const home = (): string => {
  const folder = scratch('cookie')
  folders.push(folder)
  return folder.path
}

afterEach(() => {
  for (const folder of folders.splice(0)) folder.remove()
})

const bad = (code: string) => expect.objectContaining({ code })

describe('one node: its cookie file', () => {
  test('is refused when others can read it, as Erlang refuses it, with what to do', () => {
    const HOME = home()
    const path = join(HOME, '.erlang.cookie')
    writeFileSync(path, 'OPEN')
    for (const mode of [0o644, 0o640, 0o602]) {
      chmodSync(path, mode)
      const { cookie } = systemEnvironment({ HOME })
      expect(cookie).toThrow(bad('bad_cookie'))
      expect(cookie).toThrow(`chmod 400 ${path}`)
    }
    chmodSync(path, 0o600)
    expect(systemEnvironment({ HOME }).cookie()).toBe('OPEN')
  })

  test('is made for its owner alone', () => {
    const HOME = home()
    const cookie = systemEnvironment({ HOME }).cookie()
    expect(cookie).toMatch(/^[A-Z]{20}$/)
    expect(statSync(join(HOME, '.erlang.cookie')).mode & 0o777).toBe(0o400)
  })

  test('may be named by CITADEL_COOKIE_FILE, must be there then, and CITADEL_COOKIE goes first', () => {
    const HOME = home()
    const CITADEL_COOKIE_FILE = join(HOME, 'secret')
    expect(() => systemEnvironment({ HOME, CITADEL_COOKIE_FILE }).cookie()).toThrow(
      bad('bad_cookie'),
    )
    writeFileSync(CITADEL_COOKIE_FILE, 'NAMED\n', { mode: 0o400 })
    expect(systemEnvironment({ HOME, CITADEL_COOKIE_FILE }).cookie()).toBe('NAMED')
    const both = { HOME, CITADEL_COOKIE_FILE, CITADEL_COOKIE: 'FIRST' }
    expect(systemEnvironment(both).cookie()).toBe('FIRST')
  })
})

describe('one cookie', () => {
  test('has the bytes that Erlang takes, Latin-1, from text as from a file', () => {
    const HOME = home()
    writeFileSync(join(HOME, '.erlang.cookie'), Buffer.from('caf\u00e9', 'latin1'), { mode: 0o400 })
    expect(systemEnvironment({ HOME }).cookie()).toBe('café')
    // erl> crypto:hash(md5, [<<"caf", 233>>, "7"])
    const digest = Buffer.from(Cookie.of('café').digest(7)).toString('hex')
    expect(digest).toBe('a97a994e99ea68e54b01f0180c75d40d')
  })

  test('with a character beyond 255, or without any, is refused', async () => {
    expect(() => Cookie.of('cookie €')).toThrow(bad('bad_argument'))
    expect(() => Cookie.of('')).toThrow(bad('bad_argument'))
    await expect(Citadel.start({ cookie: 'cookie €', logger: silent })).rejects.toEqual(
      bad('bad_argument'),
    )
  })
})

/** All that `inspect` would show of a value with no limit to its depth, each part once and by itself. */
function* printedParts(root: unknown): Generator<string> {
  const options = { depth: 0, showHidden: true, maxArrayLength: 10_000 }
  const seen = new Set<unknown>()
  const left = [root]
  while (left.length > 0) {
    const part = left.pop()
    if (seen.has(part)) continue
    seen.add(part)
    yield inspect(part, options)
    yield inspect(part, { ...options, showHidden: false })
    if (part instanceof Map) left.push(...part.keys(), ...part.values())
    if (part instanceof Set) left.push(...part)
    if ((typeof part !== 'object' && typeof part !== 'function') || part === null) continue
    if (ArrayBuffer.isView(part)) continue
    for (const key of Reflect.ownKeys(part))
      left.push(Object.getOwnPropertyDescriptor(part, key)!.value)
  }
}

test('one node: nothing that a program can print of it shows the cookie', async () => {
  const cookie = 'NEVER SHOWN'
  const epmdPort = await freePort()
  const citadel = await Citadel.start({ cookie, epmdPort, discovery: false, logger: silent })
  const { registry, groups } = citadel
  const workers = await citadel.supervisor('workers')
  const isShown = (root: unknown): boolean => {
    for (const text of printedParts(root)) if (text.includes(cookie)) return true
    return false
  }
  expect(isShown({ deep: new Map([['in', [{ it: new Set([cookie]) }]]]) })).toBe(true)
  for (const part of [citadel, registry, groups, workers]) expect(isShown(part)).toBe(false)
  await citadel.stop()
})

test('one shell: an old history file that others could read is closed to them', () => {
  const HOME = home()
  const file = prepareHistory({ HOME })!
  writeFileSync(file, 'secret', { mode: 0o644 })
  chmodSync(file, 0o644)
  expect(prepareHistory({ HOME })).toBe(file)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readFileSync(file, 'utf8')).toBe('secret')
})

import { expect, test } from 'vitest'
import { Citadel } from '../../src/citadel.js'
import { GenServer } from '../../src/process/gen-server.js'
import { freePort } from '../support/free-port.js'

const KEYS_MAX = 200_000

class Owner extends GenServer {}

test('one node: registering key after key does not keep timers waiting', async () => {
  const name = 'burst@127.0.0.1'
  await using citadel = await Citadel.start({ name, cookie: 'c', epmdPort: await freePort() })
  const pid = await citadel.spawn(Owner)
  let fired = false
  setTimeout(() => {
    fired = true
  }, 20)
  let keys = 0
  while (!fired && keys < KEYS_MAX) await citadel.registry.register(`key ${keys++}`, pid)
  expect(keys).toBeLessThan(KEYS_MAX)
})

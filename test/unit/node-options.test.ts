import { describe, expect, it } from 'vitest'
import { Citadel, type CitadelOptions } from '../../src/index.js'

describe('Citadel.start', () => {
  it.each([
    { cookie: '' },
    { weight: Number.NaN },
    { weight: -1 },
    { mailboxMax: 0 },
    { mailboxMax: '5' },
    { logMax: 0.5 },
    { epmdPort: -1 },
    { listen: { port: 70_000 } },
  ] as CitadelOptions[])('refuses %j, and says what it wants', async (options) => {
    const start = Citadel.start({ name: 'n1@127.0.0.1', discovery: false, ...options })
    await expect(start).rejects.toMatchObject({ code: 'bad_argument' })
  })
})

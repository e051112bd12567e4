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
    { arbitre: 'mesh' },
    { toString: 1 },
  ] as CitadelOptions[])('refuses %j, and says what it wants', async (options) => {
    const start = Citadel.start({ name: 'n1@127.0.0.1', discovery: false, ...options })
    await expect(start).rejects.toMatchObject({ code: 'bad_argument' })
  })

  it('says where an option belongs that is in the wrong place', async () => {
    const options = { name: 'n1@127.0.0.1', discovery: false, quorum: { size: 3 } } as const
    await expect(Citadel.start(options as CitadelOptions)).rejects.toMatchObject({
      code: 'bad_argument',
      message:
        "Citadel.start has no option 'quorum': it is meant like { arbiter: { type: 'mesh', quorum: { size: 3 } } }.",
    })
  })
})

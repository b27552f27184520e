// npm's acme-client against an ACME CA: issue, renew with a new account key, the alternate chain, revoke, close.
// Arguments: the module, the directory's URL, key id and HMAC key of an external account, the folder of challenges.
// The chains it got are files in the working folder.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

const [modulePath, directoryUrl, kid, hmacKey, folder] = process.argv.slice(2);
const acme = require(modulePath);

const challengeCreateFn = async (authz, challenge, answer) =>
    fs.writeFileSync(path.join(folder, challenge.token), answer);
const challengeRemoveFn = async (authz, challenge) => fs.unlinkSync(path.join(folder, challenge.token));

async function issue(client, preferredChain) {
    const [, csr] = await acme.crypto.createCsr({ commonName: 'npm.localhost', altNames: ['npm.localhost'] });
    return client.auto({
        csr,
        email: 'admin@example.com',
        termsOfServiceAgreed: true,
        skipChallengeVerification: true,
        challengePriority: ['http-01'],
        challengeCreateFn,
        challengeRemoveFn,
        preferredChain,
    });
}

async function main() {
    const accountKey = await acme.crypto.createPrivateEcdsaKey();
    const externalAccountBinding = { kid, hmacKey };
    const client = new acme.Client({ directoryUrl, accountKey, externalAccountBinding, backoffMin: 200 });
    fs.writeFileSync('first.pem', await issue(client));

    await client.updateAccountKey(await acme.crypto.createPrivateRsaKey());
    const second = await issue(client);
    fs.writeFileSync('second.pem', second);

    const pem = await (await fetch(new URL('/root-alternate.pem', directoryUrl))).text();
    const wanted = acme.crypto.readCertificateInfo(pem).issuer.commonName;
    const chain = acme.crypto.splitPemChain(await issue(client, wanted));
    const found = acme.crypto.readCertificateInfo(chain.at(-1)).issuer.commonName;
    if (found !== wanted) {
        throw new Error(`the alternate chain ends at ${found} instead of ${wanted}`);
    }

    const revoked = await issue(client);
    fs.writeFileSync('revoked.pem', revoked);
    await client.revokeCertificate(revoked, { reason: 4 });
    const order = await client.createOrder({ identifiers: [{ type: 'dns', value: 'other.localhost' }] });
    const [authorization] = await client.getAuthorizations(order);
    await client.deactivateAuthorization(authorization);
    await client.updateAccount({ contact: ['mailto:other@example.com'] });
    await client.updateAccount({ status: 'deactivated' });
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});

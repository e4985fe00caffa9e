// A real, certified OpenID Connect provider on the loopback, for the integration tests.
//
// Clients sign in with their own credentials (client_credentials) and get a JWT access token for
// the gateway's audience, with the groups and claims that CLIENTS gives them; the token's subject is the
// client's id. Keys are made at start, so starting again on the same port is a key rotation.
//
//   PORT      to listen on; 0 (the default) takes a free one
//   AUDIENCE  of the tokens (default `airside`)
//   ALG       to sign with: RS256 (default), PS256, ES256, EdDSA
//   TTL       of a token in seconds (default 600)
//   CLIENTS   JSON: [{ "id", "secret", "groups": [...], "claims": {...} }]; one without a secret is a person's device, which
//             asks for a code (RFC 8628) that `POST ISSUER/decide?user_code=…&account=…` confirms, or refuses with `error=…`
//
// Prints `ready ISSUER` once it listens. A token:
//   curl -d grant_type=client_credentials -d client_id=alice -d client_secret=alice-secret ISSUER/token
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const setting = (name, otherwise) => process.env[name] || otherwise;
const algorithm = setting('ALG', 'RS256');
const audience = setting('AUDIENCE', 'airside');
const lifetime = Number(setting('TTL', '600'));
const clients = JSON.parse(
  setting(
    'CLIENTS',
    JSON.stringify([
      { id: 'alice', secret: 'alice-secret', groups: ['analysts'], claims: { region: 'EMEA' } },
      { id: 'bob', secret: 'bob-secret', groups: [] },
    ]),
  ),
);

const makeKey = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
}[algorithm];
if (!makeKey) throw new Error(`ALG cannot be ${algorithm}`);
const key = { ...makeKey().privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: algorithm };

// The issuer's name contains the port, so the port is taken first.
const server = createServer();
server.listen(Number(setting('PORT', '0')), '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;

// Without a resource access tokens are opaque, so there is one by default. A client that asks for
// another (`-d resource=urn:other`) gets a token for that audience, which the gateway must refuse.
const gateway = 'urn:gateway';
const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';
const accessToken = (_context, resource) => ({
  audience: resource === gateway ? audience : resource,
  scope: 'query',
  accessTokenFormat: 'jwt',
  accessTokenTTL: lifetime,
  jwt: { sign: { alg: algorithm } },
});
const provider = new Provider(issuer, {
  jwks: { keys: [key] },
  clients: clients.map(({ id, secret, auth }) => ({
    client_id: id,
    ...(secret && { client_secret: secret }),
    token_endpoint_auth_method: secret ? (auth ?? 'client_secret_post') : 'none',
    grant_types: secret ? ['client_credentials'] : [deviceGrant, 'refresh_token'],
    redirect_uris: [],
    response_types: [],
    id_token_signed_response_alg: algorithm,
  })),
  scopes: ['openid', 'offline_access', 'query'],
  ttl: { ClientCredentials: lifetime, AccessToken: lifetime },
  // Anybody by their name.
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => gateway,
      useGrantedResource: () => true,
      getResourceServerInfo: accessToken,
    },
  },
  extraTokenClaims: (_context, token) => {
    const { groups, claims } = clients.find(({ id }) => id === token.clientId) ?? {};
    return { ...(groups && { groups }), ...claims };
  },
});
// What a person does in a browser with a device's code, without the pages.
const decide = async (form) => {
  const code = await provider.DeviceCode.findByUserCode(form.get('user_code').replaceAll('-', ''));
  if (form.get('error')) {
    code.error = form.get('error');
  } else {
    const accountId = form.get('account');
    const grant = new provider.Grant({ accountId, clientId: code.clientId });
    grant.addOIDCScope('openid offline_access');
    grant.addResourceScope(gateway, 'query');
    Object.assign(code, { accountId, grantId: await grant.save(), scope: code.params.scope, resource: gateway });
  }
  await code.save();
};
const answer = provider.callback();
server.on('request', async (request, response) => {
  const url = new URL(request.url, issuer);
  if (url.pathname !== '/decide') return answer(request, response);
  const decided = await decide(url.searchParams).then(() => 204, (error) => (console.error(error), 500));
  response.writeHead(decided).end();
});
console.log(`ready ${issuer}`);

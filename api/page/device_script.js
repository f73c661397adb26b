/*
 * The page at /device: a person says whether a program may act as them.  It acts with the login of
 * this browser, and shows the token that goes with it.
 */
'use strict';
(() => {
  const $ = (id) => document.getElementById(id);
  const typed = new URLSearchParams(location.search).get('user_code');
  let csrf = '', code = '';

  const ask = async (method, path) => {
    const headers = method === 'GET' ? {} : { 'X-CSRF-Token': csrf };
    const answer = await fetch(path, { method, headers, credentials: 'same-origin' });
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(body.detail || body.title || 'HTTP ' + answer.status);
    return body;
  };
  const pathOf = (tail) => '/api/v1/device-codes/' + encodeURIComponent(code) + tail;

  const link = (text, href) => {
    const a = document.createElement('a');
    a.textContent = text;
    a.href = href;
    return a;
  };

  const showWays = async () => {
    const config = await ask('GET', '/auth/config');
    const back = encodeURIComponent(location.pathname + location.search);
    const ways = [link('with a password', '/#device=' + encodeURIComponent(typed || ''))];
    for (const provider of config.providers || []) {
      if (provider.browser) {
        ways.push(link('at ' + provider.title,
          '/auth/oidc/login?provider=' + encodeURIComponent(provider.name) + '&return_to=' + back));
      }
    }
    ways.forEach((way, i) => $('ways').append(...(i > 0 ? [', ', way] : [way])));
    $('login').hidden = false;
  };

  const begin = async () => {
    if (typed) $('code').value = typed;
    const session = await ask('GET', '/auth/session');
    if (!session.authenticated) {
      $('problem').textContent = 'Nobody is logged in.';
      await showWays();
      return;
    }
    csrf = session.csrfToken;
    $('who').textContent = (session.user ? session.user.name + ' in ' : '') + session.tenant;
  };

  const finish = (text) => {
    $('ask').hidden = true;
    $('done').textContent = text;
    $('done').hidden = false;
  };

  $('code-form').addEventListener('submit', async (event) => {
    event.preventDefault();
    $('problem').textContent = '';
    code = $('code').value.trim();
    try {
      const shown = await ask('GET', pathOf(''));
      $('client').textContent = shown.client;
      $('shown').textContent = code = shown.userCode;
      $('address').textContent = shown.address;
      $('since').textContent = new Date(shown.createdAt).toLocaleTimeString();
      $('scopes').textContent = shown.scopes.join(', ');
      $('code-form').hidden = true;
      $('ask').hidden = false;
      $('allow').focus();
    } catch (e) {
      $('problem').textContent = e.message;
    }
  });

  const decide = async (tail, text) => {
    try {
      await ask('POST', pathOf(tail));
      finish(text);
    } catch (e) {
      finish(e.message);
    }
  };
  $('ask').addEventListener('submit', (event) => {
    event.preventDefault();
    decide('/allow', 'Done: go back to the program.');
  });
  $('deny').addEventListener('click', () => decide('/deny', 'It was sent away.'));

  begin().catch((e) => { $('problem').textContent = e.message; });
})();
